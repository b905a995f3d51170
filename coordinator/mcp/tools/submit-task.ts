import { z } from 'zod';
import { submitPrompt } from '../../stream/transfer.ts';
import { contextFor } from '../door.ts';
import { newTaskId } from '../run-task.ts';
import { TaskAnswerSchema, taskAnswer } from '../task-answer.ts';
import { type Tool, WORKS } from '../tool.ts';
import { wholeTask } from '../whole-task.ts';
import {
  agentIdArgument,
  optionArguments,
  placementArguments,
  promptArgument,
  taskIdArgument,
  taskOptions,
} from './task-arguments.ts';

const input = z.strictObject({
  prompt: promptArgument,
  agent_id: agentIdArgument.optional(),
  ...placementArguments,
  ...optionArguments,
  task_id: taskIdArgument
    .optional()
    .describe('An id of your own; submitted again with the same arguments it names the same task'),
});

export const submitTaskTool: Tool<typeof input, typeof TaskAnswerSchema> = {
  name: 'submit_task',
  title: 'Submit a task without waiting',
  description:
    'Hands a prompt to the fleet and answers at once with a task_id; get_task brings the answer later. Use it for work that takes minutes or hours, or to have several tasks run at the same time. The task runs to its end even if you never ask again.',
  input,
  output: TaskAnswerSchema,
  annotations: WORKS,
  async run(door, { prompt, agent_id, task_id, ...given }, { signal }) {
    const options = { ...taskOptions(given), ...(agent_id !== undefined && { agent_id }) };
    const submission = { task_id: task_id ?? newTaskId(), prompt, options };
    const view = await submitPrompt(door.operations, submission, contextFor(door, signal));
    return taskAnswer(await wholeTask(door, view, signal));
  },
};
