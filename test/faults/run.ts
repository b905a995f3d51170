/** One run, from the first process to the judgement. */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { processesMentioning } from '../support/leaks.ts';
import { seeded } from '../support/random.ts';
import { audit, type Verdict } from './audit.ts';
import { ask } from './caller.ts';
import type { Evidence } from './evidence.ts';
import { FAULT_KINDS } from './kinds.ts';
import type { Options } from './options.ts';
import { readRuns } from './run-log.ts';
import { planFaults, planTasks } from './schedule.ts';
import { AGENTS } from './settings.ts';
import { openTasks, readEnds, readTasks } from './store-reader.ts';
import { storm } from './storm.ts';
import { submitAll } from './submitter.ts';
import { startWorld, type World } from './world.ts';

interface Io {
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

const READY_MS = 60_000;

export async function run(directory: string, options: Options, { say, signal }: Io): Promise<Verdict> {
  const { tasks, storm_ms, faults_each, faulty_tasks, patience_ms, seed } = options;
  const random = seeded(seed);
  const planned = planTasks(random, { tasks, storm_ms, faulty: faulty_tasks });
  const plannedFaults = planFaults(random, { count: faults_each, storm_ms });

  const world = await startWorld(directory);
  let gathered: Gathered;
  try {
    const connection = await connect({
      servers: world.server.url,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      reconnectJitter: 100,
    });
    try {
      say('waiting for the agents');
      await everybodyThere(connection, world, signal);
      say('the storm begins');
      const [log, faults] = await Promise.all([
        submitAll(planned, { connection, seed, patience_ms: patience_ms / 2, signal }),
        storm(world, plannedFaults, signal),
      ]);
      say(`the storm is over; submits met ${JSON.stringify(Object.fromEntries(log.errors))}`);
      await everythingEnded(connection, { patience_ms, signal, say });
      say('stopping the daemons');
      await world.stopDaemons();
      gathered = { ...(await gather(connection, world)), submitted: log.submitted, faults };
    } finally {
      await connection.close();
    }
  } finally {
    await world.stop();
  }
  return audit({
    ...gathered,
    lanes: planned.map(({ lane }) => lane),
    surprises: world.surprises(),
    left: await processesMentioning(directory),
    required: Object.fromEntries(FAULT_KINDS.map(kind => [kind, options.required])),
  });
}

type Gathered = Omit<Evidence, 'lanes' | 'surprises' | 'left' | 'required'>;

async function gather(
  connection: NatsConnection,
  world: World,
): Promise<Pick<Evidence, 'stored' | 'told' | 'runs'>> {
  return {
    stored: await readTasks(connection),
    told: await readEnds(connection),
    runs: await readRuns(world.runs_directory),
  };
}

async function everybodyThere(connection: NatsConnection, world: World, signal: AbortSignal): Promise<void> {
  const late = performance.now() + READY_MS;
  for (;;) {
    signal.throwIfAborted();
    const [surprise] = world.surprises();
    if (surprise !== undefined) throw new Error(surprise);
    const reply = await ask(connection, 'agents', {}).catch(() => undefined);
    const there = (reply?.agents ?? []).filter(({ available }) => available);
    if (there.length === AGENTS) return;
    if (performance.now() > late) {
      const missing = reply?.agents.filter(({ available }) => !available) ?? [];
      throw new Error(
        `${there.length} of ${AGENTS} agents are there; the others: ${JSON.stringify(missing).slice(0, 2_000)}`,
      );
    }
    await delay(200);
  }
}

interface Waiting extends Io {
  readonly patience_ms: number;
}

async function everythingEnded(
  connection: NatsConnection,
  { patience_ms, signal, say }: Waiting,
): Promise<void> {
  const late = performance.now() + patience_ms;
  for (let look = 0; ; look += 1) {
    signal.throwIfAborted();
    const { all, open } = await openTasks(connection);
    if (open.length === 0 || performance.now() > late) return;
    if (look % 5 === 0) say(`${all - open.length} of ${all} tasks have ended`);
    await delay(1_000);
  }
}
