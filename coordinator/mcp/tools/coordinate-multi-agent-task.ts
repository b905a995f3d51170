import { z } from 'zod';
import { MAX_PARTS, StrategySchema } from '../../../protocol/coordination.ts';
import { DEFAULT_BUDGET_MS } from '../../../protocol/limits.ts';
import { TaskIdSchema } from '../../../protocol/task.ts';
import { coordinate } from '../coordinate.ts';
import { CoordinationAnswerSchema } from '../coordination-answer.ts';
import { newTaskId } from '../run-task.ts';
import { type Tool, WORKS } from '../tool.ts';
import { agentIdArgument, promptArgument, waitArgument } from './task-arguments.ts';

const MAX_BUDGET_S = 24 * 3_600;

const input = z.strictObject({
  prompt: promptArgument,
  agents: z
    .array(agentIdArgument)
    .min(1)
    .max(MAX_PARTS)
    .optional()
    .describe('Ids of the agents to ask; chosen by what the prompt needs when absent'),
  strategy: StrategySchema.default('all').describe(
    'all: every answer. first: the first one; the others are cancelled. best: an agent compares the answers and picks one. synthesize: an agent makes one answer of them.',
  ),
  max_agents: z.int().min(1).max(MAX_PARTS).optional().describe('How many agents may be asked'),
  budget_s: z
    .int()
    .min(1)
    .max(MAX_BUDGET_S)
    .optional()
    .describe(`For everything together, in seconds; ${DEFAULT_BUDGET_MS / 1_000} otherwise`),
  wait_s: waitArgument,
  coordination_id: TaskIdSchema.max(32)
    .optional()
    .describe('Of an earlier call with the same arguments, to take it up again'),
});

export const coordinateTool: Tool<typeof input, typeof CoordinationAnswerSchema> = {
  name: 'coordinate_multi_agent_task',
  title: 'Ask several agents at once',
  description:
    'Sends one prompt to several agents at the same time and brings all their answers, the first, the best, or one made of them. Use it for a second opinion, for work that needs several specialties, or when speed matters more than cost: each agent is a model call. If it takes longer than the wait, the same call with the coordination_id that was returned goes on with it.',
  input,
  output: CoordinationAnswerSchema,
  annotations: WORKS,
  run: async (door, { wait_s, budget_s, coordination_id, agents, max_agents, prompt, strategy }, call) =>
    await coordinate(
      door,
      {
        request: {
          coordination_id: coordination_id ?? newTaskId(),
          prompt,
          strategy,
          ...(agents !== undefined && { agents }),
          ...(max_agents !== undefined && { max_agents }),
          ...(budget_s !== undefined && { budget_ms: budget_s * 1_000 }),
        },
        wait_ms: wait_s === undefined ? door.wait_ms : wait_s * 1_000,
      },
      call,
    ),
};
