import { z } from 'zod';
import { runTask } from '../run-task.ts';
import { TaskAnswerSchema } from '../task-answer.ts';
import { type Tool, WORKS } from '../tool.ts';
import {
  optionArguments,
  placementArguments,
  promptArgument,
  taskOptions,
  waitArgument,
} from './task-arguments.ts';

const input = z.strictObject({
  prompt: promptArgument,
  ...placementArguments,
  ...optionArguments,
  wait_s: waitArgument,
});

export const runTaskTool: Tool<typeof input, typeof TaskAnswerSchema> = {
  name: 'run_task',
  title: 'Run a task on the best agent',
  description:
    'Sends a prompt to the fleet, which chooses the agent, and waits for the answer. Use it when it does not matter which agent answers; execute_task_on_agent names one, coordinate_multi_agent_task asks several. A task that takes longer than the wait goes on: the result then has status "queued", "assigned" or "running" and a task_id for get_task.',
  input,
  output: TaskAnswerSchema,
  annotations: WORKS,
  run: async (door, { prompt, wait_s, ...given }, call) =>
    await runTask(
      door,
      {
        prompt,
        options: taskOptions(given),
        wait_ms: wait_s === undefined ? door.wait_ms : wait_s * 1_000,
      },
      call,
    ),
};
