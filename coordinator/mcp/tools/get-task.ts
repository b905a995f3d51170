import { z } from 'zod';
import { isTerminal } from '../../../protocol/task.ts';
import { contextFor } from '../door.ts';
import { followTask } from '../follow-task.ts';
import { patience } from '../run-task.ts';
import { TaskAnswerSchema, taskAnswer } from '../task-answer.ts';
import { READS, type Tool } from '../tool.ts';
import { wholeTask } from '../whole-task.ts';
import { taskIdArgument } from './task-arguments.ts';

/** Below the minute after which most clients give up. */
const MAX_GET_WAIT_S = 50;

const input = z.strictObject({
  task_id: taskIdArgument,
  wait_s: z
    .int()
    .min(0)
    .max(MAX_GET_WAIT_S)
    .default(0)
    .describe('How long to wait for the end of the task, in seconds; 0 answers at once'),
  response_offset: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe('Characters of a long response to leave out, as an earlier result said'),
});

export const getTaskTool: Tool<typeof input, typeof TaskAnswerSchema> = {
  name: 'get_task',
  title: 'Look at a task, or wait for its answer',
  description:
    'Tells how a task stands: its status, and when it has completed its response; a failed task shows its error. With wait_s it waits for the end, at most 50 s at a time: call it again while the status is queued, assigned or running. The task is not changed, and goes on if this call ends.',
  input,
  output: TaskAnswerSchema,
  annotations: READS,
  async run(door, { task_id, wait_s, response_offset }, call) {
    const view = await door.operations.get({ task_id }, contextFor(door, call.signal));
    if (isTerminal(view.status)) return taskAnswer(await wholeTask(door, view, call.signal), response_offset);
    if (wait_s === 0) return taskAnswer(view);
    const { until, clear } = patience(door, call, wait_s * 1_000);
    try {
      const ended = await followTask(door, { task_id, until, progress: call.progress });
      if (ended !== undefined) return taskAnswer(ended, response_offset);
    } finally {
      clear();
    }
    const now = await door.operations.get({ task_id }, contextFor(door, call.signal));
    return taskAnswer(await wholeTask(door, now, call.signal), response_offset);
  },
};
