import { z } from 'zod';
import { runTask } from '../run-task.ts';
import { TaskAnswerSchema } from '../task-answer.ts';
import { type Tool, WORKS } from '../tool.ts';
import {
  agentIdArgument,
  optionArguments,
  promptArgument,
  taskOptions,
  waitArgument,
} from './task-arguments.ts';

const input = z.strictObject({
  agent_id: agentIdArgument,
  prompt: promptArgument,
  ...optionArguments,
  wait_s: waitArgument,
});

export const executeTaskOnAgentTool: Tool<typeof input, typeof TaskAnswerSchema> = {
  name: 'execute_task_on_agent',
  title: 'Run a task on a named agent',
  description:
    'Sends a prompt to one agent, named by its id, and waits for the answer. discover_agents lists the ids. If the agent is busy the task waits for it. A task that takes longer than the wait goes on: the result then has status "queued", "assigned" or "running" and a task_id for get_task.',
  input,
  output: TaskAnswerSchema,
  annotations: WORKS,
  run: async (door, { agent_id, prompt, wait_s, ...given }, call) =>
    await runTask(
      door,
      {
        prompt,
        options: { ...taskOptions(given), agent_id },
        wait_ms: wait_s === undefined ? door.wait_ms : wait_s * 1_000,
      },
      call,
    ),
};
