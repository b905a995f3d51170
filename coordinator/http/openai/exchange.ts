/** A client's request on its way: what is asked of the fleet, and what is known by now of who answers. */
import type { Context } from 'hono';
import { CcliError } from '../../../protocol/errors.ts';
import type { AgentView, SubmitRequest } from '../../../protocol/operation.ts';
import type { CheckThread } from '../../structured/check-thread.ts';
import type { JsonFormat } from '../../structured/format.ts';
import { newTaskId } from '../../task-id.ts';
import { contextOf, type Door, type DoorEnv } from '../door.ts';
import { type Ask, extensionsOf } from './ask.ts';
import { jsonFormat } from './json-format.ts';
import { type Aim, aimOf, isMeant } from './model.ts';
import { TaskFailure } from './task-failure.ts';

/** What all exchanges share. */
export interface OpenAiDoor {
  readonly door: Door;
  /** Where schemas are compiled and held against answers. */
  readonly checks: CheckThread;
}

export interface Exchange {
  readonly door: Door;
  readonly ask: Ask;
  /** What its answer has to be. */
  readonly json?: JsonFormat;
  /** The task that answers; of a repair, the first one. Made here, so that it can be told before there is one. */
  readonly task_id: string;
  /** Seconds. */
  readonly created: number;
  /** All but the prompt. */
  readonly options: Omit<SubmitRequest, 'prompt' | 'prompt_ref' | 'conversation'>;
  /** Its task is there. */
  readonly accepted: () => void;
  /** What to throw: with the task, once it is there. */
  failure(error: unknown): unknown;
  /** Who has the task, once that is known. */
  answeredBy(agent_id: string | undefined): void;
  /** What our headers tell, as far as it is known. */
  headers(): Record<string, string>;
}

/** @throws ParameterError `model_not_found`, `invalid_request`; as `CheckThread.check` */
export async function beginExchange(
  c: Context<DoorEnv>,
  { door, checks }: OpenAiDoor,
  ask: Ask,
): Promise<Exchange> {
  const extensions = extensionsOf(name => c.req.header(name));
  const { agents } = await door.operations.agents({}, contextOf(c));
  const aim = aimOf(ask.model, agents);
  const json = ask.json === undefined ? undefined : await jsonFormat(ask.json, checks);
  const task_id = newTaskId();
  // Only a fallback leads to another one.
  let agent = aim.agent_id;
  let accepted = false;
  return {
    door,
    ask,
    ...(json !== undefined && { json }),
    task_id,
    created: Math.floor(Date.now() / 1000),
    options: {
      ...aim,
      ...extensions,
      ...(Object.keys(ask.generation).length > 0 && { generation: ask.generation }),
    },
    accepted: () => {
      accepted = true;
    },
    failure: error =>
      accepted && error instanceof CcliError && !(error instanceof TaskFailure)
        ? new TaskFailure(task_id, error)
        : error,
    answeredBy(agent_id) {
      agent = agent_id ?? agent;
    },
    headers() {
      const ignored = [...ask.without_effect, ...(samples(agent, aim, agents) ? [] : ask.sampling)];
      return {
        'x-ccli-task-id': task_id,
        ...(agent !== undefined && { 'x-ccli-agent': agent }),
        ...(ignored.length > 0 && { 'x-ccli-ignored': ignored.join(', ') }),
      };
    },
  };
}

/** Whether the agent can be told how to sample; of one that is not known yet, the best is assumed. */
const samples = (agent_id: string | undefined, aim: Aim, agents: readonly AgentView[]): boolean =>
  agents.some(
    agent =>
      agent.driver === 'ollama' &&
      (agent_id === undefined ? isMeant(agent, aim) : agent.agent_id === agent_id),
  );
