/** What a prompt costs on each road to a host: the seed's, the same over a shared connection, and ours, both ways. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOnPath } from '../../../coordinator/embedded/executable.ts';
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { findSshd } from '../../support/sshd-server.ts';
import type { Benchmark, BenchmarkIo } from '../benchmark.ts';
import { currentLoad, describeMachine, renderMachine } from '../machine.ts';
import { runByHand } from '../overhead/by-hand.ts';
import { startDirect } from '../overhead/direct.ts';
import { startModel } from '../overhead/model.ts';
import { runOurs } from '../overhead/ours.ts';
import { remoteCommand, runBySsh, startMaster } from './by-hand.ts';
import { BY_NATS, BY_SSH, type SshFleet, startFleet } from './fleet.ts';
import { type BenchHost, startHost } from './host.ts';
import { readOptions, type SshBenchOptions } from './options.ts';
import { measureRounds, type Road } from './rounds.ts';
import { type RoadRow, renderRows, rowsOf } from './rows.ts';

const BARE = 'bare: a warm session of gemini, here';
const COLD = 'a new gemini, here';
const SEED = "the seed's: ssh, node, gemini";
const SHARED = 'the same, ControlMaster';
const FALLBACK = 'ccli, SSH fallback';
const NATS = 'ccli, NATS';

const WARM_UP = 2;
/** Longer than a CLI takes to make the session that the last prompt used up. */
const PAUSE_MS = 400;
/** What design.md asks of ours. */
const AIM = 100;

type Lifecycle = ReturnType<typeof createLifecycle>;

export const ssh: Benchmark = {
  about: "a prompt on the seed's road over SSH, and on ours over SSH and over NATS",
  async run(args, io) {
    const options = readOptions(args);
    const load_1m = currentLoad();
    if ((await findSshd()) === undefined || (await findOnPath('ssh', process.env)) === undefined)
      throw new CcliError('start_failed', 'OpenSSH is not here; install openssh-server and openssh-client.');
    const lifecycle = createLifecycle({
      onError: (error, what) => {
        io.say(`${what}: ${JSON.stringify(errorFields(error))}`);
      },
    });
    try {
      const measured = await measure(options, { ...io, lifecycle });
      const machine = describeMachine(measured.versions, load_1m);
      const { rows, remarks, command } = measured;
      if (options.json) io.print(`${JSON.stringify({ machine, command, rows, remarks })}\n`);
      else io.print(`\n${renderRows(rows)}\n${remarks.join('\n')}\n${renderMachine(machine)}`);
    } finally {
      await lifecycle.stop();
    }
  },
};

interface Measured {
  readonly rows: readonly RoadRow[];
  readonly remarks: readonly string[];
  readonly command: string;
  readonly versions: { readonly nats_server: string; readonly gemini: string };
}

async function measure(
  { rounds, nvm_sh }: SshBenchOptions,
  io: BenchmarkIo & { lifecycle: Lifecycle },
): Promise<Measured> {
  const { lifecycle, signal, say } = io;
  const directory = await mkdtemp(join(tmpdir(), 'ccli-ssh-'));
  lifecycle.defer('the host', () =>
    rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  );
  const model = await startModel();
  lifecycle.defer('the model', () => model.stop());
  const { environment } = model;
  const host = await startHost({ lifecycle, directory, environment, nvm_sh });
  const max_sessions = rounds + WARM_UP + 10;
  const fleet = await startFleet({ ...io, host, directory, environment, max_sessions });
  const roads = await roadsOf({ host, fleet, directory }, io);
  const samples = await measureRounds({
    ...{ roads, count: rounds, warm_up: WARM_UP, pause_ms: PAUSE_MS, signal },
    onRound: round => {
      say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`);
    },
  });
  const rows = rowsOf(samples, { bare: BARE, seed: SEED });
  return {
    rows,
    remarks: remarksOf({ host, fleet, rows }),
    command: remoteCommand(host),
    versions: { nats_server: fleet.version, gemini: fleet.agents[0]?.cli_version ?? 'unknown' },
  };
}

interface Stage {
  readonly host: BenchHost;
  readonly fleet: SshFleet;
  readonly directory: string;
}

async function roadsOf(
  { host, fleet, directory }: Stage,
  { lifecycle, signal }: BenchmarkIo & { lifecycle: Lifecycle },
): Promise<ReadonlyMap<string, Road>> {
  const direct = await startDirect({ launch: fleet.launch, lifecycle, signal });
  const control = await startMaster(host, directory, { lifecycle, signal });
  const ours =
    (agent_id: string): Road =>
    async () =>
      (await runOurs(fleet.client, agent_id, signal)).end_ms;
  return new Map<string, Road>([
    [BARE, async () => (await direct.prompt()).end_ms],
    [COLD, () => runByHand(fleet.launch, signal)],
    [SEED, () => runBySsh({ host, control: undefined, signal })],
    [SHARED, () => runBySsh({ host, control, signal })],
    ...(fleet.by_ssh_missing === undefined ? ([[FALLBACK, ours(BY_SSH)]] as const) : []),
    [NATS, ours(BY_NATS)],
  ]);
}

function remarksOf({ host, fleet, rows }: Omit<Stage, 'directory'> & { rows: readonly RoadRow[] }): string[] {
  const said = [
    'overhead: beyond the bare session, which is the same CLI without us, in the same round (median of the rounds)',
    "times less: the overhead of the seed's road, divided by that of this one",
    `the seed's road here: ssh HOST "${remoteCommand(host)}"`,
  ];
  if (!host.has_nvm)
    said.push(
      "not measured: nvm.sh itself, which is not on this machine (--nvm-sh FILE names one): PATH is set instead, which makes the seed's road faster than it is",
    );
  if (fleet.by_ssh_missing !== undefined)
    said.push(`not measured: ${FALLBACK}, since its node could not be reached: ${fleet.by_ssh_missing}`);
  for (const { road, times_less } of rows)
    if ((road === FALLBACK || road === NATS) && times_less !== undefined)
      said.push(
        `${road}: ${times_less.toFixed(0)} times less, ${times_less >= AIM ? 'ok' : 'BELOW'} (aim ${AIM})`,
      );
  return said;
}
