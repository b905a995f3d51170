/** From a bare host to a member of the fleet, or to a newer version; and back to what was there when a step fails. */
import { CcliError } from '../../protocol/errors.ts';
import type { Bundle } from '../bundle/bundle.ts';
import type { SshHost } from '../ssh/ssh.ts';
import type { FleetDoor } from './fleet-door.ts';
import { type OpenSite, openSite } from './open-site.ts';
import { keepRecord } from './record.ts';
import { rollBack } from './roll-back.ts';
import { rolledBackError } from './rolled-back-error.ts';
import { createShell } from './shell.ts';
import type { Site, Wishes, Work } from './site.ts';
import type { StepReport, Watcher } from './step.ts';
import { advertStep } from './steps/advert.ts';
import { canaryStep } from './steps/canary.ts';
import { configureStep } from './steps/configure.ts';
import { createStepRunner, type StepRunner } from './steps/run-steps.ts';
import { serviceStep } from './steps/service.ts';
import { startStep } from './steps/start.ts';
import { switchStep } from './steps/switch.ts';
import { tidyStep } from './steps/tidy.ts';
import { tryStep } from './steps/try-version.ts';
import { uploadStep } from './steps/upload.ts';
import { type Summary, summarize } from './summary.ts';
import { survey } from './survey.ts';
import { type Changes, createChanges } from './undo.ts';

export interface BootstrapOptions {
  readonly host: SshHost;
  readonly fleet: FleetDoor;
  readonly bundle: Bundle;
  readonly wishes: Wishes;
  readonly watcher: Watcher;
  /** Ends the run, which then takes back what it has done. */
  readonly signal: AbortSignal;
  /** Ends that as well. */
  readonly at_once: AbortSignal;
  readonly own_boot_id: string | undefined;
  /** How long a host that is gone is waited for, to take back what was done. */
  readonly patience_ms?: number;
}

/** Longer than a client that has seen many failures leaves a host alone. */
const ROLL_BACK_PATIENCE_MS = 120_000;

export interface Bootstrapped {
  readonly steps: readonly StepReport[];
  /** Absent after a dry run. */
  readonly summary?: Summary;
}

/**
 * @throws CcliError `bootstrap_failed`, or the code of what was found, naming the step, what to do, and what could not be
 *   taken back; `cancelled` when interrupted
 */
export async function bootstrap(options: BootstrapOptions): Promise<Bootstrapped> {
  const { host, wishes, watcher, signal } = options;
  const changes = createChanges();
  let open: OpenSite | undefined;
  const runner = createStepRunner({
    dry_run: wishes.dry_run,
    signal: () => open?.signal ?? signal,
    watcher,
  });
  try {
    const site = await runner.look('connect', async () => {
      open = await openSite(host, signal);
      return { value: siteOf(open, options, changes), says: `${open.user.user} on ${open.hostname}` };
    });
    const work = await setUp(runner, site, options, open);
    if (wishes.dry_run) return { steps: runner.reports };
    const summary = await summarize(work, runner.reports);
    // From here on nothing is taken back: it all works, and only leftovers may stay.
    await runner.take(tidyStep(work)).catch((error: unknown) => {
      watcher.note(`Not everything that is left over could be removed: ${words(error)}`);
    });
    return { steps: runner.reports, summary: { ...summary, steps: runner.reports } };
  } catch (error) {
    const told: unknown = open?.signal.aborted === true ? open.signal.reason : error;
    throw rolledBackError({
      host: host.name,
      step: runner.current ?? 'connect',
      error: told,
      ...(await takeBack(open, changes, options)),
    });
  } finally {
    await open?.close();
  }
}

function siteOf(open: OpenSite, { host, watcher }: BootstrapOptions, changes: Changes): Site {
  const { found, shell, paths, user, signal, undo_directory } = open;
  const record = keepRecord({ found, shell, paths, changes, undo_directory });
  return { host, shell, signal, user, paths, changes, watcher, record, undo_directory };
}

async function setUp(
  runner: StepRunner,
  site: Site,
  options: BootstrapOptions,
  open: OpenSite | undefined,
): Promise<Work> {
  const { wishes, fleet, bundle, own_boot_id } = options;
  const hostname = open?.hostname ?? '';
  const found = await runner.look('check', async () => {
    const value = await survey({ site, wishes, fleet, bundle, hostname, own_boot_id });
    const { facts } = value;
    const os = [facts.os.id, facts.os.version].filter(part => part !== undefined).join(' ');
    return {
      value,
      says: `${os}, Node ${facts.node?.version ?? 'none'}, gemini ${facts.gemini?.version ?? 'none'}`,
    };
  });
  const progress = { restart: [], agents: found.plan.facts.agents.map(({ id }) => id) };
  const work: Work = { ...site, ...found, wishes, fleet, bundle, progress };
  site.record.assume({ node: work.node });
  const steps = [
    uploadStep,
    configureStep,
    tryStep,
    switchStep,
    serviceStep,
    startStep,
    advertStep,
    canaryStep,
  ];
  for (const make of steps) {
    const step = make(work);
    await runner.take(step);
    // A dry run tells of the restart that its other steps would bring about.
    const would = runner.reports.at(-1)?.outcome === 'would';
    if (would && RESTARTS.has(step.name)) work.progress.restart.push(`${step.name} comes first`);
  }
  return work;
}

const RESTARTS: ReadonlySet<string> = new Set(['upload', 'configure', 'switch', 'service']);

async function takeBack(
  open: OpenSite | undefined,
  changes: Changes,
  { host, watcher, at_once, patience_ms = ROLL_BACK_PATIENCE_MS }: BootstrapOptions,
) {
  if (open === undefined) return { changed: false, left: [] };
  const { left } = await rollBack({
    changes,
    shell: createShell(host, at_once),
    patience_ms,
    relock: () => open.relock(at_once),
    tell: text => {
      watcher.note(text);
    },
  });
  return { changed: changes.any, left };
}

const words = (error: unknown): string =>
  error instanceof CcliError ? error.message : 'something unforeseen';
