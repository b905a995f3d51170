/** `ccli bench`. */
import { type Command, Option } from 'commander';
import { CcliError, ERRORS } from '../../../protocol/errors.ts';
import type { Road } from '../../baseline/ask.ts';
import { compare } from '../../baseline/compare.ts';
import type { HostCli } from '../../baseline/host.ts';
import { findHostCli } from '../../baseline/host-cli.ts';
import { planAgent } from '../../baseline/plan.ts';
import { directoryOf, readBaseline, saveBaseline, savedBaselines } from '../../baseline/saved.ts';
import { measuredAny, takeBaseline } from '../../baseline/take.ts';
import type { Ssh, SshHost } from '../../ssh/ssh.ts';
import type { Action } from '../action.ts';
import { findPlace, type Place } from '../bench/find.ts';
import { type BenchFlags, parseLevels } from '../bench/flags.ts';
import { CALLER, type Cli } from '../cli.ts';
import type { Client } from '../client.ts';
import { canAsk, confirm } from '../confirm.ts';
import { takeInterrupts } from '../interrupts.ts';
import { parseInteger, quietOption, withFleetOptions } from '../options.ts';
import { type Progress, silentProgress } from '../progress.ts';
import { baselineReport, nameOf } from '../render/baseline.ts';
import { withSsh, withSshOptions } from '../ssh-options.ts';
import { listen } from '../stream/live.ts';
import { version } from '../version.ts';

const DEFAULT_RUNS = 5;
const DEFAULT_PROMPT = 'Reply with the single word OK.';
/** So many model calls are made without a question where nobody can be asked. */
const UNASKED_CALLS = 20;

export function addBench(program: Command, action: Action): void {
  const bench = program
    .command('bench')
    .description('measure how fast an agent or a host answers, and compare it with the last time')
    .argument('<host-or-agent>', 'an agent, a node with all its agents, or any host that `ssh` knows')
    .addOption(
      new Option('--runs <n>', 'runs of each kind').argParser(parseInteger(1, 1_000)).default(DEFAULT_RUNS),
    )
    .addOption(new Option('--prompt <text>', 'the prompt of every run').default(DEFAULT_PROMPT))
    .addOption(new Option('--model <model>', 'a model other than the one the agent uses by itself'))
    .addOption(
      new Option(
        '--concurrency <levels>',
        'prompts at a time, like 1,2,4 (default: 1, 2, 4, … up to the slots)',
      ).argParser(parseLevels),
    )
    .addOption(new Option('--ssh', 'take the name for a host, and ask no fleet'))
    .addOption(new Option('--compare <file>', 'compare with this baseline instead of the last one'))
    .addOption(new Option('--no-save', 'keep nothing'))
    .addOption(new Option('-y, --yes', 'do not ask, however many model calls it takes'));
  withSshOptions(withFleetOptions(bench))
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
Every run is a prompt, and costs a call of the model: how many it takes is said first. Runs that fail are counted by their
reason and are in none of the figures. A change counts when it is larger than what the runs differ among themselves.
Baselines are kept under ~/.local/state/ccli/bench, the last 50 of each name. Ctrl-C stops and keeps nothing.
It ends with 0 however slow the agent is, and with another code when nothing could be measured.

Examples:
  ccli bench walnut-gemini                        warm, cold, and several at a time
  ccli bench walnut-gemini --runs 20 --concurrency 1,4,8 --yes
  ccli bench walnut                               all agents of the node, and its SSH
  ccli bench --ssh walnut --no-save               a host without any fleet`,
    )
    .action(action(benchCommand));
}

async function benchCommand(cli: Cli, name: string, flags: BenchFlags): Promise<number> {
  const interrupts = takeInterrupts(cli.io);
  const progress = flags.json === true ? silentProgress : cli.progress(flags);
  let place: Place | undefined;
  try {
    const signal = interrupts.first;
    const against = flags.compare === undefined ? undefined : [await readBaseline(flags.compare)];
    place = await findPlace(cli, name, flags, signal);
    const bench = { name, flags, place, against, progress, signal };
    // SSH is loaded and opened only for a host.
    if (place.host === undefined) return await measureAndTell(cli, { ...bench, ssh: undefined });
    return await withSsh(cli, flags, ssh => measureAndTell(cli, { ...bench, ssh }));
  } catch (error) {
    if (!interrupts.first.aborted) throw error;
    const more = error instanceof CcliError && error !== interrupts.first.reason ? ` ${error.message}` : '';
    throw new CcliError('cancelled', `Interrupted; nothing was kept.${more}`);
  } finally {
    progress.pause();
    interrupts.release();
    await place?.client?.close();
  }
}

interface Bench {
  readonly name: string;
  readonly flags: BenchFlags;
  readonly place: Place;
  readonly ssh: Ssh | undefined;
  readonly against: Awaited<ReturnType<typeof savedBaselines>> | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

async function measureAndTell(cli: Cli, bench: Bench): Promise<number> {
  const { name, flags, place, progress, signal } = bench;
  const { runs, model } = flags;
  const host = await reachHost(bench);
  const agents = place.agents.map(agent => planAgent(agent, { runs, levels: flags.concurrency }));
  const by_ssh = host.found?.cli === undefined ? 0 : runs;
  await agree(
    cli,
    agents.reduce((sum, plan) => sum + plan.calls, by_ssh),
    { flags, progress, signal },
  );
  const { baseline, error } = await takeBaseline({
    ...{ name, runs, model, agents, signal },
    ccli_version: version(),
    prompt: flags.prompt,
    road: place.client === undefined ? undefined : roadOf(place.client),
    host: host.found,
    notes: [...place.notes, ...host.notes],
    onRun: (subject, series, done) => {
      if (done === 0)
        progress.stage(`${subject}: ${series === 'warm_up' ? 'one run to warm up' : nameOf(series)}`);
    },
  });
  progress.pause();
  const measured = measuredAny(baseline);
  const directory = directoryOf(cli.io.environment, name);
  const comparisons = compare(baseline, bench.against ?? (await savedBaselines(directory)));
  signal.throwIfAborted();
  const file = flags.save && measured ? await saveBaseline(directory, baseline) : undefined;
  if (flags.json === true) cli.json({ baseline, comparisons, ...(file !== undefined && { file }) });
  else {
    cli.stdout.write(baselineReport(baseline, comparisons, cli.stdout.colors));
    if (file !== undefined) progress.note(`saved as ${file}`);
  }
  if (measured) return 0;
  if (error === undefined)
    throw new CcliError('no_agent_fits', `There is nothing to measure behind "${name}".`);
  if (flags.json === true) return ERRORS[error.code].exit;
  throw error;
}

const roadOf = (client: Client): Road => ({
  operations: client.operations,
  caller: CALLER,
  listen: (task_id, onChunk) => listen(client, task_id, { onChunk }),
});

interface Reached {
  readonly found: { readonly ssh: SshHost; readonly cli: HostCli | undefined } | undefined;
  readonly notes: readonly string[];
}

/** @throws CcliError when the host cannot be reached and is all there is to measure */
async function reachHost(bench: Bench): Promise<Reached> {
  const { name, place, ssh, progress, signal } = bench;
  if (place.host === undefined || ssh === undefined) return { found: undefined, notes: [] };
  progress.stage(`looking at ${place.host} over SSH`);
  const host = ssh.host(place.host);
  try {
    // A host that lets nobody in is told as what it is, and not as runs that failed.
    await host.probe(signal);
  } catch (error) {
    if (!(error instanceof CcliError) || signal.aborted) throw error;
    if (place.agents.length > 0)
      return { found: undefined, notes: [`${name}: not measured over SSH: ${error.message}`] };
    if (place.client === undefined) throw error;
    const says = `No agent or node is called "${name}", and as a host: ${error.message}`;
    throw new CcliError(error.code, says, { cause: error.cause });
  }
  return await lookForCli(host, bench);
}

async function lookForCli(ssh: SshHost, { name, signal }: Bench): Promise<Reached> {
  try {
    const cli = await findHostCli(ssh, signal);
    const notes = cli === undefined ? [`${name}: no gemini that could be run there was found`] : [];
    return { found: { ssh, cli }, notes };
  } catch (error) {
    if (!(error instanceof CcliError) || signal.aborted) throw error;
    return {
      found: { ssh, cli: undefined },
      notes: [`${name}: its gemini was not looked for: ${error.message}`],
    };
  }
}

interface Agreement {
  readonly flags: BenchFlags;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Says what it will cost. @throws CcliError `cancelled`; `invalid_request` when nobody can be asked */
async function agree(cli: Cli, calls: number, { flags, progress, signal }: Agreement): Promise<void> {
  if (calls === 0) return;
  const says = `${calls} ${calls === 1 ? 'prompt' : 'prompts'} will be sent, each a call of a model at least`;
  if (flags.yes !== true && canAsk(cli)) {
    progress.pause();
    if (await confirm(cli, `${says}. Go on?`, signal)) return;
    throw new CcliError('cancelled', 'Nothing was sent.');
  }
  progress.note(says);
  if (flags.yes !== true && calls > UNASKED_CALLS)
    throw new CcliError(
      'invalid_request',
      `${says}; say --yes, or ask for less with --runs and --concurrency.`,
    );
}
