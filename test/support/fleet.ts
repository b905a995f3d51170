/** A whole fleet inside the test's own process, on a real nats-server: a coordinator and any number of node-agents. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { type CoordinatorConfig, loadCoordinatorConfig } from '../../coordinator/config.ts';
import { type Coordinator, startCoordinator } from '../../coordinator/main.ts';
import { loadNodeConfig } from '../../node-agent/config.ts';
import { type NodeAgent, startNodeAgent } from '../../node-agent/main.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { requestJson } from '../../protocol/daemon/request.ts';
import { CcliError } from '../../protocol/errors.ts';
import {
  type AgentView,
  OPERATIONS,
  type OperationName,
  type OperationReply,
  type OperationRequest,
  type TaskView,
} from '../../protocol/operation.ts';
import { type TestNats, testNats } from './nats-server.ts';
import { plainEnvironment } from './plain-environment.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

const SCRIPTED = join(import.meta.dirname, 'tools', 'scripted.mjs');

/** Set to see what the daemons say while a test runs. */
const level = process.env['CCLI_TEST_LOG'] === 'debug' ? 'debug' : 'silent';

/** A scripted agent, in the words of a node's configuration file. */
export const scriptedAgent = (id: string, over: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  agent_type: 'cli_generic',
  command: SCRIPTED,
  ...over,
});

interface NodeOptions {
  readonly node?: string;
  readonly agents?: readonly Record<string, unknown>[];
  readonly settings?: Record<string, unknown>;
  readonly state_dir?: string;
}

export interface TestFleet {
  readonly nats: TestNats;
  readonly connection: NatsConnection;
  readonly coordinator: Coordinator;
  readonly startNode: (options?: NodeOptions) => Promise<NodeAgent>;
  readonly call: <N extends OperationName>(
    name: N,
    request: OperationRequest<N>,
  ) => Promise<OperationReply<N>>;
  readonly agentReady: (agent_id: string) => Promise<AgentView>;
  /** Submits and waits for the end. */
  readonly run: (request: OperationRequest<'run'>) => Promise<TaskView>;
  /** Waits until the task is in this status. */
  readonly reaches: (task_id: string, status: TaskView['status']) => Promise<TaskView>;
}

type Overrides = Partial<Omit<CoordinatorConfig, 'prefix' | 'log_level' | 'nats' | 'http'>> & {
  /** Off unless it is switched on; then on a free port. */
  readonly http?: Partial<CoordinatorConfig['http']>;
};

export async function testCoordinator(nats: TestNats, over: Overrides = {}): Promise<Coordinator> {
  const defaults = loadCoordinatorConfig(undefined, { CCLI_NATS_URL: nats.url, CCLI_LOG_LEVEL: level });
  const config = {
    ...defaults,
    // Most tests have agents that nobody has registered.
    discovered: 'allow' as const,
    ...over,
    http: { ...defaults.http, enabled: false, port: 0, ...over.http },
  };
  const coordinator = await startCoordinator(config, createLog({ level, name: 'coordinator' }));
  onTestFinished(() => coordinator.stop());
  return coordinator;
}

export async function testNode(nats: TestNats, options: NodeOptions = {}): Promise<NodeAgent> {
  const { node = 'walnut', agents = [], settings = {} } = options;
  const state_dir = options.state_dir ?? (await temporaryDirectory());
  const file = join(await temporaryDirectory(), 'node-agent.yaml');
  await writeFile(file, stringify({ node, state_dir, agents, log_level: level, ...settings }));
  const config = loadNodeConfig(file, { ...plainEnvironment(), CCLI_NATS_URL: nats.url });
  const agent = await startNodeAgent(config, createLog({ level, name: 'node-agent' }));
  onTestFinished(() => agent.stop());
  return agent;
}

export async function testFleet(over: Overrides = {}): Promise<TestFleet> {
  const nats = await testNats();
  const coordinator = await testCoordinator(nats, over);
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());

  const call: TestFleet['call'] = (name, value) => callOperation(connection, name, value);
  return {
    nats,
    connection,
    coordinator,
    call,
    startNode: options => testNode(nats, options),
    agentReady: agent_id =>
      waitFor(
        async () =>
          (await call('agents', {})).agents.find(agent => agent.agent_id === agent_id && agent.available),
        {
          what: `agent ${agent_id} being available`,
        },
      ),
    run: request => call('run', { wait_ms: 60_000, ...request }),
    reaches: (task_id, status) =>
      waitFor(
        async () => {
          const view = await call('get', { task_id });
          return view.status === status && view;
        },
        { what: `task ${task_id} being ${status}` },
      ),
  };
}

const TIMEOUTS_MS: Readonly<Partial<Record<OperationName, number>>> = {
  run: 75_000,
  get: 3_000,
  register: 60_000,
  test: 60_000,
  verify: 120_000,
  coordinate: 75_000,
};

/** What a `get` is asked to wait. */
const waitOf = (name: OperationName, value: object): number =>
  name === 'get' && 'wait_ms' in value && typeof value.wait_ms === 'number' ? value.wait_ms : 0;

export function callOperation<N extends OperationName>(
  connection: NatsConnection,
  name: N,
  value: OperationRequest<N>,
): Promise<OperationReply<N>> {
  const { subject, request, reply } = OPERATIONS[name];
  // The table pairs each request with its reply; the type checker cannot follow that through a union.
  return requestJson<unknown, unknown>(connection, {
    subject: `ccli.${subject}`,
    request,
    reply,
    value,
    // Longer than the operation may wait; short enough to ask again when a server has been restarted meanwhile.
    timeout_ms: (TIMEOUTS_MS[name] ?? 12_000) + waitOf(name, value),
    onNobody: () => new CcliError('no_coordinator'),
  }) as Promise<OperationReply<N>>;
}
