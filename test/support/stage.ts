/**
 * A fleet whose parts can be killed, frozen or cut off one by one: real daemons, each behind a proxy of its own. What
 * became of a task is read from the store itself, so that no frozen coordinator stands in the way of the answer.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { decode } from '../../protocol/codec.ts';
import { requestJson } from '../../protocol/daemon/request.ts';
import { CcliError } from '../../protocol/errors.ts';
import { OPERATIONS, type SubmitRequest, type TaskView } from '../../protocol/operation.ts';
import { taskKey } from '../../protocol/subjects.ts';
import {
  isTerminal,
  type TaskResult,
  TaskResultSchema,
  type TaskState,
  TaskStateSchema,
  type TaskStatus,
} from '../../protocol/task.ts';
import { type DaemonProcess, startDaemon } from './daemon.ts';
import { scriptedAgent } from './fleet.ts';
import { type NatsProxy, startNatsProxy } from './nats-proxy.ts';
import { type TestNats, testNats } from './nats-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

const LeaseSchema = z.object({
  holder: z.string(),
  epoch: z.int().positive(),
  fleet_id: z.string(),
});
type Lease = z.infer<typeof LeaseSchema>;

export interface StagedCoordinator {
  readonly id: string;
  readonly daemon: DaemonProcess;
  readonly proxy: NatsProxy;
}

export interface StagedNode {
  readonly daemon: DaemonProcess;
  readonly proxy: NatsProxy;
  readonly state_dir: string;
  readonly config_file: string;
}

interface DaemonOptions {
  /** In the words of the daemon's configuration file. */
  readonly settings?: Record<string, unknown>;
  readonly environment?: Readonly<Record<string, string>>;
}

interface NodeOptions extends DaemonOptions {
  readonly node?: string;
  readonly agents?: readonly Record<string, unknown>[];
  readonly state_dir?: string;
}

export interface Stage {
  readonly nats: Pick<TestNats, 'url' | 'port'>;
  /** The test's own, straight to the server. */
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly coordinator: (options?: DaemonOptions) => Promise<StagedCoordinator>;
  readonly node: (options?: NodeOptions) => Promise<StagedNode>;
  /** Of the store's buckets: `tasks`, `control`. */
  readonly bucket: (name: 'tasks' | 'control') => Promise<KV>;
  readonly lease: () => Promise<Lease>;
  /** Waits until this one holds the lease. */
  readonly leads: (coordinator: StagedCoordinator) => Promise<Lease>;
  /** Asks until somebody has accepted it; the id decides that it is one task. */
  readonly submit: (request: SubmitRequest & { readonly task_id: string }) => Promise<TaskView>;
  readonly state: (task_id: string) => Promise<TaskState | undefined>;
  /** Waits for a state. */
  readonly reaches: (task_id: string, status: TaskStatus) => Promise<TaskState>;
  /** Waits for the end. */
  readonly ended: (task_id: string) => Promise<TaskState>;
  readonly result: (task_id: string) => Promise<TaskResult | undefined>;
  /** All statuses that the store remembers, oldest first. */
  readonly statuses: (task_id: string) => Promise<TaskStatus[]>;
  /** Waits until every report has been folded, ignored or ended. */
  readonly reportsFolded: () => Promise<void>;
}

/** Short enough that a test sees several of them; each test waits for conditions, never for a time. */
const QUICK = {
  lease: '1s',
  tick: '100ms',
  settle: '500ms',
  accept_timeout: '500ms',
} as const;

export async function stage(given?: Pick<TestNats, 'url' | 'port'>): Promise<Stage> {
  const nats = given ?? (await testNats());
  const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const kvm = new Kvm(jetstream(connection));

  const proxied = async (): Promise<NatsProxy> => {
    const proxy = await startNatsProxy(nats.port);
    onTestFinished(proxy.close);
    return proxy;
  };
  const bucket: Stage['bucket'] = name => kvm.open(`ccli_${name}`);
  const value = async <T>(key: string, schema: z.ZodType<T>): Promise<T | undefined> => {
    const entry = await (await bucket('tasks')).get(key);
    return entry?.operation === 'PUT' ? decode(schema, entry.value) : undefined;
  };
  const state: Stage['state'] = task_id => value(taskKey(task_id, 'state'), TaskStateSchema);
  const lease: Stage['lease'] = async () => {
    const entry = await (await bucket('control')).get('leader');
    if (entry === null) throw new Error('nobody has held the lease yet');
    return decode(LeaseSchema, entry.value);
  };

  return {
    nats,
    connection,
    manager,
    bucket,
    lease,
    state,
    async coordinator({ settings = {}, environment = {} } = {}) {
      const proxy = await proxied();
      const file = join(await temporaryDirectory(), 'coordinator.yaml');
      await writeFile(file, stringify({ ...QUICK, ...settings }));
      const daemon = startDaemon({
        program: 'coordinator',
        args: ['--config', file],
        environment: { CCLI_NATS_URL: proxy.url, ...environment },
      });
      thawAtEnd(daemon);
      await logged(daemon, 'ready');
      const id = /"event":"ready".*?"coordinator_id":"([^"]+)"/.exec(daemon.log())?.[1];
      if (id === undefined) throw new Error(`the coordinator does not say who it is:\n${daemon.log()}`);
      return { id, daemon, proxy };
    },
    async node({ node = 'walnut', agents, state_dir, settings = {}, environment = {} } = {}) {
      const proxy = await proxied();
      const directory = await temporaryDirectory();
      const own = state_dir ?? join(directory, 'state');
      const file = join(directory, 'node-agent.yaml');
      await writeFile(
        file,
        stringify({
          node,
          state_dir: own,
          advert_interval: '200ms',
          agents: agents ?? [scriptedAgent(`${node}-echo`)],
          ...settings,
        }),
      );
      const daemon = startDaemon({
        program: 'node-agent',
        args: ['--config', file],
        environment: { CCLI_NATS_URL: proxy.url, ...environment },
      });
      thawAtEnd(daemon);
      await logged(daemon, 'agent_ready');
      return { daemon, proxy, state_dir: own, config_file: file };
    },
    leads: coordinator =>
      waitFor(
        async () => {
          const held = await lease();
          return held.holder === coordinator.id && held;
        },
        { what: 'the coordinator leading' },
      ),
    submit: request =>
      waitFor(
        () =>
          requestJson(connection, {
            subject: `ccli.${OPERATIONS.submit.subject}`,
            request: OPERATIONS.submit.request,
            reply: OPERATIONS.submit.reply,
            value: request,
            timeout_ms: 3_000,
            onNobody: () => new CcliError('no_coordinator'),
          }),
        { what: `task ${request.task_id} being accepted`, timeout_ms: 60_000 },
      ),
    reaches: (task_id, status) =>
      waitFor(
        async () => {
          const found = await state(task_id);
          return found?.status === status && found;
        },
        { what: `task ${task_id} being ${status}` },
      ),
    ended: task_id =>
      waitFor(
        async () => {
          const found = await state(task_id);
          return found !== undefined && isTerminal(found.status) && found;
        },
        { what: `the end of task ${task_id}`, timeout_ms: 60_000 },
      ),
    result: task_id => value(taskKey(task_id, 'result'), TaskResultSchema),
    async statuses(task_id) {
      const found: TaskStatus[] = [];
      for await (const entry of await (await bucket('tasks')).history({ key: taskKey(task_id, 'state') })) {
        if (entry.operation === 'PUT') found.push(decode(TaskStateSchema, entry.value).status);
      }
      return found;
    },
    async reportsFolded() {
      await waitFor(async () => (await manager.streams.info('CCLI_REPORTS')).state.messages === 0, {
        what: 'all reports being folded',
      });
    },
  };
}

async function logged(daemon: DaemonProcess, event: string): Promise<void> {
  await daemon.logged(event).catch((cause: unknown) => {
    throw new Error(`no "${event}" in the log:\n${daemon.log()}`, { cause });
  });
}

/** A frozen process could not be told to stop. */
function thawAtEnd(daemon: DaemonProcess): void {
  onTestFinished(() => {
    daemon.signal('SIGCONT');
  });
}

/** The promise: the task has ended, once, and as it should. */
export async function expectEndedOnce(
  { ended, statuses, result, reportsFolded }: Stage,
  task_id: string,
  as: { readonly status: TaskStatus; readonly text?: string },
): Promise<TaskState> {
  const state = await ended(task_id);
  // Whatever still comes must change nothing.
  await reportsFolded();
  expect((await statuses(task_id)).filter(isTerminal)).toEqual([as.status]);
  if (as.text !== undefined) expect((await result(task_id))?.text).toEqual({ inline: as.text });
  return state;
}

/** A prompt for the scripted tool. */
export const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

/** An agent of `/bin/sh`: it says or does what the command does, whatever the prompt is. */
export const shellAgent = (id: string, command: string): Record<string, unknown> =>
  scriptedAgent(id, { command: '/bin/sh', args: ['-c', `cat >/dev/null; ${command}`] });

/** Shell: waits until the file is there. */
export const until = (file: string): string => `while [ ! -e '${file}' ]; do sleep 0.02; done`;

/** How often the scripted tool began, by what it wrote into its `log`. */
export async function countRuns(log: string): Promise<number> {
  try {
    return (await readFile(log, 'utf8')).split('\n').filter(line => line.startsWith('start')).length;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** SIGKILL, and nothing of it left. */
export async function killed(daemon: DaemonProcess): Promise<void> {
  daemon.signal('SIGKILL');
  await daemon.ended;
}
