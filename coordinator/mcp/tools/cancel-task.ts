import { z } from 'zod';
import { isTerminal } from '../../../protocol/task.ts';
import { contextFor } from '../door.ts';
import { TaskAnswerSchema, taskAnswer } from '../task-answer.ts';
import type { Tool } from '../tool.ts';
import { wholeTask } from '../whole-task.ts';
import { taskIdArgument } from './task-arguments.ts';

const input = z.strictObject({ task_id: taskIdArgument });

export const cancelTaskTool: Tool<typeof input, typeof TaskAnswerSchema> = {
  name: 'cancel_task',
  title: 'Cancel a task',
  description:
    'Ends a task that is queued or running, down to the process that works on it, and answers with how it stands then. A task that had ended before stays as it is.',
  input,
  output: TaskAnswerSchema,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  async run(door, { task_id }, { signal }) {
    const view = await door.operations.cancel({ task_id }, contextFor(door, signal));
    const answer = taskAnswer(await wholeTask(door, view, signal));
    if (isTerminal(view.status)) return answer;
    const { next: _next, ...structured } = answer.structured;
    const text = `The cancel of ${task_id} is stored and takes effect as soon as its node answers.`;
    return { structured: { ...structured, next: text }, text: [text] };
  },
};
