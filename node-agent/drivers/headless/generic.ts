/** Any CLI that takes a prompt and prints its answer: one process a task. */

import { literal } from '../../core/literal.ts';
import { asOneText } from '../../core/one-text.ts';
import { argumentsOf, fixedArguments, presetOf, printModeOf } from '../../presets/effective.ts';
import type { Driver } from '../driver.ts';
import {
  type DriverOptions,
  prepareLaunch,
  prepareTask,
  runningOn,
  signInOf,
  startModel,
} from '../launch.ts';
import { budgetFor, overBudget } from './budget.ts';
import { feed } from './feed.ts';
import { createPrintOutput } from './print-output.ts';
import { type PromptFile, writePromptFile } from './prompt-file.ts';

export function createGenericDriver(options: DriverOptions): Driver {
  const { agent, config } = options;
  const mode = printModeOf(agent);
  return {
    warm: false,
    async probe(signal) {
      signal.throwIfAborted();
      const launch = await prepareLaunch(options, agent.tool_policy);
      await launch.remove();
      const { executable } = launch;
      return {
        ...(executable.version !== undefined && { cli_version: executable.version }),
        ...runningOn(executable),
        signed_in: await signInOf(options),
      };
    },
    async run(task, callbacks, signal) {
      const launch = await prepareTask(options, task.tool_policy);
      const { cwd, executable } = launch;
      const model = task.model ?? startModel(agent);
      const spoken = asOneText(task);
      // A CLI that is known has commands that begin like some prompts.
      const prompt = presetOf(agent) === undefined ? spoken : literal(spoken);
      const budget = budgetFor(config.max_output, prompt);
      const output = createPrintOutput(
        { agent, mode, prompt, max_value_chars: budget.value_chars, signal },
        callbacks.onChunk,
      );
      let file: PromptFile | undefined;
      try {
        if (mode.prompt === 'file')
          file = await writePromptFile({ agent, state_dir: config.state_dir, cwd }, prompt);
        const fill = filler({ model: model ?? '', cwd, prompt_file: file?.path ?? '' });
        const args = argumentsOf(agent, { model, policy: task.tool_policy }).map(fill);
        const exit = await feed(
          {
            file: executable.file,
            args: [...executable.args, ...fixedArguments(agent), ...args],
            cwd,
            env: launch.env,
            onNotKilled: launch.onNotKilled,
            prompt: file === undefined ? prompt : '',
            onActivity: callbacks.onActivity,
            max_bytes: budget.bytes,
            tooMuch: () => overBudget(budget, output.has_text),
            onText: output.push,
          },
          signal,
        );
        return { ...(model !== undefined && { model }), ...output.judge(exit), warm: false };
      } finally {
        try {
          await file?.remove();
        } finally {
          await launch.remove();
        }
      }
    },
    close: () => Promise.resolve(),
  };
}

const filler =
  (values: Readonly<Record<'model' | 'cwd' | 'prompt_file', string>>) =>
  (arg: string): string =>
    // In one pass: what is filled in is not looked at again.
    arg.replace(/\{(model|cwd|prompt_file)\}/g, (_placeholder, name: keyof typeof values) => values[name]);
