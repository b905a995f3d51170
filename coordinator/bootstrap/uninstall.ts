/** Takes a node-agent off its host, so that what was there before it is there again. */
import { CcliError } from '../../protocol/errors.ts';
import type { Bundle } from '../bundle/bundle.ts';
import type { SshHost } from '../ssh/ssh.ts';
import { readConfig } from './node-config.ts';
import { type OpenSite, openSite } from './open-site.ts';
import { removeEmpty } from './place.ts';
import type { InstallationRecord } from './record.ts';
import { rolledBackError } from './rolled-back-error.ts';
import { endLeftOver } from './service/left-over.ts';
import { processService } from './service/process.ts';
import type { Service } from './service/service.ts';
import { systemService } from './service/system.ts';
import { userService } from './service/user.ts';
import { quote } from './shell.ts';
import type { Step, StepReport, Watcher } from './step.ts';
import { createStepRunner } from './steps/run-steps.ts';

export interface UninstallOptions {
  readonly host: SshHost;
  readonly bundle: Bundle;
  readonly watcher: Watcher;
  readonly signal: AbortSignal;
  readonly dry_run: boolean;
  readonly keep_state: boolean;
  /** Also when that loses results which the fleet has not got yet. */
  readonly yes: boolean;
}

export interface Uninstalled {
  readonly steps: readonly StepReport[];
  /** Undefined when nothing was installed. */
  readonly node: string | undefined;
}

/**
 * Safe to repeat, also after it broke off: the record goes last.
 *
 * @throws CcliError `results_unsent`, `node_not_installed` when what is there was not put there by bootstrap
 */
export async function uninstall(options: UninstallOptions): Promise<Uninstalled> {
  const { host, signal, dry_run, watcher } = options;
  let open: OpenSite | undefined;
  const runner = createStepRunner({
    dry_run,
    signal: () => open?.signal ?? signal,
    watcher,
  });
  try {
    const site = await runner.look('connect', async () => {
      open = await openSite(host, signal);
      return { value: open, says: `${open.user.user} on ${open.hostname}` };
    });
    const record = await runner.look('check', async () => {
      if (site.found === undefined) await refuseForeign(site);
      const value = site.found;
      return {
        value,
        says: value === undefined ? 'nothing is installed' : `node ${value.node} is installed`,
      };
    });
    if (record === undefined) return { steps: runner.reports, node: undefined };
    const gone: Removal = { site, record, options, service: await serviceOf(site, record, options.bundle) };
    await runner.take(stopStep(gone));
    await runner.take(removeStep(gone));
    return { steps: runner.reports, node: record.node };
  } catch (error) {
    const told: unknown = open?.signal.aborted === true ? open.signal.reason : error;
    const left =
      runner.current === 'remove'
        ? [{ what: 'what is left there', error: new CcliError('bootstrap_failed', 'it broke off half-way') }]
        : [];
    throw rolledBackError({
      host: host.name,
      step: runner.current ?? 'connect',
      error: told,
      changed: false,
      left,
    });
  } finally {
    await open?.close();
  }
}

interface Removal {
  readonly site: OpenSite;
  readonly record: InstallationRecord;
  readonly service: Service;
  readonly options: UninstallOptions;
}

async function refuseForeign({ shell, paths }: OpenSite): Promise<void> {
  const there = await shell.ask(`[ -e ${quote(paths.current)} ] || [ -L ${quote(paths.current)} ]`);
  if (there.code !== 0) return;
  throw new CcliError(
    'node_not_installed',
    `${paths.current} on ${shell.host} was not put there by \`ccli bootstrap\`: ${paths.record} is missing. Remove it by hand.`,
  );
}

async function serviceOf(
  { shell, paths, user }: OpenSite,
  record: InstallationRecord,
  bundle: Bundle,
): Promise<Service> {
  const config = quote(paths.config);
  const text = await shell.run(`if [ -e ${config} ]; then cat ${config}; fi`);
  // A file that cannot be read keeps nobody from removing it.
  const drain_timeout_ms = drainTimeout(text);
  const state_dir = stateOf({ paths }, record);
  if (record.service === 'system')
    // What it would write does not matter any more.
    return systemService({
      bundle,
      user,
      paths,
      state_dir,
      directories: [],
      drain_timeout_ms,
      has_gpu: false,
    });
  if (record.service === 'user') return userService({ bundle, user, paths, drain_timeout_ms });
  return processService({ paths, drain_timeout_ms });
}

function drainTimeout(text: string): number | undefined {
  try {
    return readConfig(text).drain_timeout_ms;
  } catch {
    return undefined;
  }
}

const stateOf = ({ paths }: Pick<OpenSite, 'paths'>, record: InstallationRecord): string =>
  record.state_dir ?? `${paths.state}/node-agent`;

function stopStep({ site, record, service, options }: Removal): Step {
  const { shell } = site;
  return {
    name: 'stop',
    look: async () =>
      (await service.running(shell))
        ? { would: 'drain and stop the node-agent' }
        : (await unsent(site, record)) > 0 && !options.keep_state
          ? { would: 'see whether its results have been sent' }
          : { right: 'it does not run' },
    async act() {
      const ran = await service.running(shell);
      if (ran) {
        options.watcher.progress('stopping it: running tasks finish, or are handed back');
        await service.stop(shell);
      }
      const left = options.keep_state ? 0 : await unsent(site, record);
      if (left === 0 || options.yes) return ran ? 'stopped' : 'it did not run';
      if (ran) await service.start(shell);
      throw new CcliError(
        'results_unsent',
        `${left === 1 ? 'A result' : `${left} results`} of finished tasks would be lost: the fleet has not got ${left === 1 ? 'it' : 'them'} yet. Let the node-agent reach NATS first; or use --keep-state, or --yes to lose ${left === 1 ? 'it' : 'them'}.`,
      );
    },
  };
}

async function unsent({ shell, paths }: OpenSite, record: InstallationRecord): Promise<number> {
  const outbox = quote(`${stateOf({ paths }, record)}/journal/outbox`);
  return Number(
    (await shell.run(`if [ -d ${outbox} ]; then ls -A ${outbox} | wc -l; else echo 0; fi`)).trim(),
  );
}

function removeStep({ site, record, service, options }: Removal): Step {
  const { shell, paths } = site;
  const state = stateOf(site, record);
  return {
    name: 'remove',
    look: () =>
      Promise.resolve({
        would: `remove ${service.unit}, ${paths.share}, ${paths.command}, ${paths.config}, its credentials${options.keep_state ? '' : `, ${state}`}`,
      }),
    async act() {
      // Without the command nobody who comes over SSH starts another one.
      await shell.run(`rm -f ${quote(paths.command)}`);
      await endLeftOver(shell, paths, site.user);
      await service.remove(shell, record);
      if (record.root_directories.length > 0)
        await shell.run(removeEmpty(record.root_directories), { as_root: true });
      const own_state = record.directories.includes(state) || state === `${paths.state}/node-agent`;
      const gone = [
        ...Object.keys(record.files),
        paths.current,
        paths.versions,
        ...(options.keep_state || !own_state ? [] : [state]),
      ];
      await shell.run(`rm -rf ${gone.map(quote).join(' ')}\nrm -rf ${quote(paths.undo)}*`);
      // Last of all: until then it can be begun again.
      await shell.run(`rm -f ${quote(paths.record)}\n${removeEmpty(record.directories)}`);
      if (!own_state) options.watcher.note(`${state} was there before and stays.`);
      return `nothing is left of ${record.node}`;
    },
  };
}
