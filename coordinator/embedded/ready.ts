/** When a fleet that was just started can take a task. */
import type { NatsConnection } from '@nats-io/nats-core';
import { decode, encode } from '../../protocol/codec.ts';
import { CcliError, fromErrorBody } from '../../protocol/errors.ts';
import {
  type AgentView,
  ErrorReplySchema,
  type FleetStatus,
  OPERATIONS,
  type OperationReply,
} from '../../protocol/operation.ts';
import { poll } from './poll.ts';

interface ReadyOptions {
  readonly connection: NatsConnection;
  readonly prefix: string;
  /** Aborts, with the reason, when there is nothing left to wait for. */
  readonly signal: AbortSignal;
}

const COORDINATOR_TIMEOUT_MS = 60_000;
/** A CLI's first start on a cold disk takes its time. */
const AGENTS_TIMEOUT_MS = 180_000;
const REQUEST_TIMEOUT_MS = 2_000;
const PAUSES = { pause_ms: 25, max_pause_ms: 500 };

/** @throws CcliError `no_coordinator` when it does not answer in time. */
export async function coordinatorReady(options: ReadyOptions): Promise<FleetStatus> {
  const answers = createAsking(options);
  const status = await poll(() => answers.ask('status'), {
    ...PAUSES,
    timeout_ms: COORDINATOR_TIMEOUT_MS,
    signal: options.signal,
  });
  if (status === undefined) throw new CcliError('no_coordinator', undefined, { cause: answers.lastError });
  return status;
}

/**
 * Ends when one agent of the node can take a task, or when the node is there and has none to wait for, with the
 * agents of the node as they are then.
 *
 * @throws CcliError the problem of its agents when none can ever; `agent_starting` when time runs out.
 */
export async function agentsReady(
  options: ReadyOptions & { readonly node: string },
): Promise<readonly AgentView[]> {
  const { node, signal } = options;
  const answers = createAsking(options);
  const look = async (): Promise<readonly AgentView[] | undefined> => {
    const [nodes, agents] = await Promise.all([answers.ask('nodes'), answers.ask('agents')]);
    if (nodes?.nodes.some(view => view.node === node && view.alive) !== true) return undefined;
    const own = agents?.agents.filter(agent => agent.node === node);
    return own !== undefined && judge(own) ? own : undefined;
  };
  const done = await poll(look, { ...PAUSES, timeout_ms: AGENTS_TIMEOUT_MS, signal });
  if (done !== undefined) return done;
  throw new CcliError(
    'agent_starting',
    `No agent of node ${node} got ready; the log of its node-agent says why.`,
    {
      cause: answers.lastError,
    },
  );
}

/** Whether nothing more is to come. */
function judge(agents: readonly AgentView[]): boolean {
  if (agents.length === 0 || agents.some(({ available }) => available)) return true;
  const enabled = agents.filter(agent => agent.enabled);
  if (enabled.some(({ health }) => health !== 'unavailable')) return false;
  const problem = enabled[0]?.problem;
  if (problem !== undefined) throw fromErrorBody(problem);
  return true;
}

/** For people: the agents that take no tasks, and why. One that is still starting may yet. */
export function describeUnusable(agent: AgentView): string[] {
  const { agent_id, problem, available, health } = agent;
  if (available || health === 'starting') return [];
  if (!agent.enabled) return [`Agent ${agent_id} is disabled.`];
  return problem === undefined
    ? []
    : [`Agent ${agent_id} takes no tasks (${problem.code}): ${problem.message}`];
}

type Question = 'status' | 'nodes' | 'agents';

interface Asking {
  /** Undefined while there is no good answer: nobody listens yet, or the store is not open yet. */
  ask<Q extends Question>(question: Q): Promise<OperationReply<Q> | undefined>;
  readonly lastError: unknown;
}

function createAsking({ connection, prefix }: ReadyOptions): Asking {
  let lastError: unknown;
  async function ask<Q extends Question>(question: Q): Promise<OperationReply<Q> | undefined>;
  async function ask(question: Question): Promise<unknown> {
    const { subject, request, reply } = OPERATIONS[question];
    try {
      const message = await connection.request(`${prefix}.${subject}`, encode(request, {}), {
        timeout: REQUEST_TIMEOUT_MS,
      });
      if (message.headers?.has('Nats-Service-Error-Code') === true)
        throw fromErrorBody(decode(ErrorReplySchema, message.data).error);
      return decode<unknown>(reply, message.data);
    } catch (error) {
      lastError = error;
      return undefined;
    }
  }
  return {
    ask,
    get lastError() {
      return lastError;
    },
  };
}
