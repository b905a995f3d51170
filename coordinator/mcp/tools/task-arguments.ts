/** Arguments that several tools share, and what they mean for a task. Seconds here, as models write them. */
import { z } from 'zod';
import { AgentTypeSchema, ModelSchema, NameSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import { MAX_TIMEOUT_MS } from '../../../protocol/limits.ts';
import { TaskIdSchema, type TaskOptions } from '../../../protocol/task.ts';
import { MAX_WAIT_S } from '../door.ts';

const MAX_TIMEOUT_S = MAX_TIMEOUT_MS / 1_000;

export const promptArgument = z
  .string()
  .describe('The whole task in words. The agent sees nothing of this conversation: say all that it needs.');

export const agentIdArgument = NameSchema.describe('Id of an agent, as discover_agents lists them');

export const taskIdArgument = TaskIdSchema.describe('Id of a task');

export const waitArgument = z
  .int()
  .min(1)
  .max(MAX_WAIT_S)
  .optional()
  .describe(
    'Longest to wait for the answer, in seconds; after that the task goes on and get_task has its answer. Keep it below the time after which your client gives a call up.',
  );

export const optionArguments = {
  model: ModelSchema.optional().describe('A model other than the one the agent uses by itself'),
  timeout_s: z
    .int()
    .min(1)
    .max(MAX_TIMEOUT_S)
    .optional()
    .describe('Longest one attempt may take, in seconds; the default of the agent otherwise'),
  max_attempts: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('1 when the task must not be repeated after a failure; 3 otherwise'),
  session_id: TaskIdSchema.optional().describe(
    'Tasks with the same session_id are one conversation: the agent knows the earlier prompts and answers. Any new id begins one.',
  ),
  priority: z.int().min(-100).max(100).optional().describe('Larger goes first; 0 otherwise'),
};

export const placementArguments = {
  agent_type: AgentTypeSchema.optional().describe('Only agents of this type'),
  specialty: SpecialtySchema.optional().describe('Only agents with this specialty'),
  fallback: z
    .array(NameSchema)
    .min(1)
    .max(8)
    .optional()
    .describe('Ids or types of agents, best first: a later one stands in while those before it cannot work'),
};

interface Given {
  readonly agent_type?: TaskOptions['agent_type'];
  readonly specialty?: TaskOptions['specialty'];
  readonly fallback?: string[] | undefined;
  readonly model?: string | undefined;
  readonly timeout_s?: number | undefined;
  readonly max_attempts?: number | undefined;
  readonly session_id?: string | undefined;
  readonly priority?: number | undefined;
}

export const taskOptions = (given: Given): TaskOptions => ({
  ...(given.agent_type !== undefined && { agent_type: given.agent_type }),
  ...(given.specialty !== undefined && { specialty: given.specialty }),
  ...(given.fallback !== undefined && { fallback: given.fallback }),
  ...(given.model !== undefined && { model: given.model }),
  ...(given.timeout_s !== undefined && { timeout_ms: given.timeout_s * 1_000 }),
  ...(given.max_attempts !== undefined && { max_attempts: given.max_attempts }),
  ...(given.session_id !== undefined && { session_id: given.session_id }),
  ...(given.priority !== undefined && { priority: given.priority }),
});
