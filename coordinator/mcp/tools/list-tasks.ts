import { z } from 'zod';
import { ListRequestSchema, type TaskSummary } from '../../../protocol/operation.ts';
import { TaskIdSchema, TaskStatusSchema } from '../../../protocol/task.ts';
import { contextFor } from '../door.ts';
import { FailureSchema } from '../task-answer.ts';
import { READS, type Tool } from '../tool.ts';
import { agentIdArgument } from './task-arguments.ts';

const MOST = 100;

const input = z.strictObject({
  status: z.array(TaskStatusSchema).min(1).optional().describe('Only tasks in one of these'),
  agent_id: agentIdArgument.optional().describe('Only tasks of this agent'),
  session_id: TaskIdSchema.optional().describe('Only tasks of this conversation'),
  group: TaskIdSchema.optional().describe('Only the parts of this coordination, by its coordination_id'),
  limit: z.int().min(1).max(MOST).default(20),
  cursor: ListRequestSchema.shape.cursor.describe('next_cursor of the page before'),
});

const output = z.object({
  tasks: z.array(
    z.object({
      task_id: z.string(),
      status: TaskStatusSchema,
      agent_id: z.string().optional(),
      node: z.string().optional(),
      prompt_bytes: z.int(),
      attempts: z.int(),
      created_at: z.string().describe('ISO 8601'),
      updated_at: z.string(),
      error: FailureSchema.optional(),
    }),
  ),
  next_cursor: z.string().optional(),
});

export const listTasksTool: Tool<typeof input, typeof output> = {
  name: 'list_tasks',
  title: 'List tasks',
  description:
    'Lists the tasks of the fleet, newest first, without their prompts and responses: get_task has a response. Use it to find a task whose id was lost, or to see what runs and what failed.',
  input,
  output,
  annotations: READS,
  async run(door, { status, agent_id, session_id, group, limit, cursor }, { signal }) {
    const reply = await door.operations.list(
      {
        limit,
        ...(status !== undefined && { status }),
        ...(agent_id !== undefined && { agent_id }),
        ...(session_id !== undefined && { session_id }),
        ...(group !== undefined && { group }),
        ...(cursor !== undefined && { cursor }),
      },
      contextFor(door, signal),
    );
    const { next_cursor } = reply;
    const more =
      next_cursor === undefined ? [] : [`There are more: call again with cursor "${next_cursor}".`];
    return {
      structured: { tasks: reply.tasks.map(row), ...(next_cursor !== undefined && { next_cursor }) },
      text: [reply.tasks.length === 0 ? 'No tasks.' : reply.tasks.map(line).join('\n'), ...more],
    };
  },
};

const time = (ms: number): string => new Date(ms).toISOString();

const row = ({
  caller: _caller,
  created_at_ms,
  updated_at_ms,
  error,
  agent_id,
  node,
  ...task
}: TaskSummary) => ({
  ...task,
  ...(agent_id !== undefined && { agent_id }),
  ...(node !== undefined && { node }),
  created_at: time(created_at_ms),
  updated_at: time(updated_at_ms),
  ...(error !== undefined && { error }),
});

const line = ({ task_id, status, agent_id, created_at_ms, error }: TaskSummary): string =>
  [task_id, status, agent_id ?? '-', time(created_at_ms), ...(error === undefined ? [] : [error.code])].join(
    '  ',
  );
