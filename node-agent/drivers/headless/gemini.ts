/** gemini without its warm process: one start a task, for when the warm one misbehaves or is not wanted. */
import { join } from 'node:path';
import type { ToolPolicy } from '../../../protocol/agent.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { tooLarge } from '../../core/evidence.ts';
import { judgeStreamAnswer, type StreamAnswer, type StreamEvent } from '../../core/evidence-stream.ts';
import { asOneText } from '../../core/one-text.ts';
import type { Driver } from '../driver.ts';
import { type DriverOptions, prepareLaunch, prepareTask, runningOn, startModel } from '../launch.ts';
import { budgetFor, overBudget } from './budget.ts';
import { feed } from './feed.ts';
import { inPortions } from './portions.ts';
import { createStreamJsonReader } from './stream-json.ts';

/** The CLI cuts its stdin here and says nothing. */
const MAX_STDIN_BYTES = 8 * 1024 * 1024;

const APPROVAL_MODE: Readonly<Record<ToolPolicy, string>> = {
  deny: 'default',
  auto_edit: 'auto_edit',
  yolo: 'yolo',
};

/** The first ones tell what went wrong. */
const MOST_ERRORS = 20;

export function createColdGeminiDriver(options: DriverOptions): Driver {
  const { agent, config } = options;
  return {
    warm: false,
    async probe(signal) {
      signal.throwIfAborted();
      const launch = await prepareLaunch(options, agent.tool_policy);
      await launch.remove();
      const { executable, home } = launch;
      if (home?.signed_in === 'no')
        throw new CcliError(
          'cli_not_signed_in',
          'The CLI is not signed in on the node; set GEMINI_API_KEY there, or sign in.',
        );
      return {
        ...(executable.version !== undefined && { cli_version: executable.version }),
        ...runningOn(executable),
        signed_in: home?.signed_in ?? 'unknown',
      };
    },
    async run(task, callbacks, signal) {
      const text = asOneText(task);
      const prompt = agent.cwd === undefined ? text : withoutFileReferences(text);
      if (Buffer.byteLength(prompt) > MAX_STDIN_BYTES) throw tooLarge();
      const launch = await prepareTask(options, task.tool_policy);
      const model = task.model ?? startModel(agent);
      const seen = collector(callbacks.onChunk);
      const budget = budgetFor(config.max_output, prompt);
      const reader = createStreamJsonReader(seen.onEvent, budget.value_chars);
      try {
        const exit = await feed(
          {
            file: launch.executable.file,
            args: [
              ...launch.executable.args,
              ...['--output-format', 'stream-json', '--approval-mode', APPROVAL_MODE[task.tool_policy]],
              ...(model === undefined ? [] : [`--model=${model}`]),
              ...(launch.home?.args ?? []),
              ...agent.args,
            ],
            cwd: launch.cwd,
            env: launch.env,
            onNotKilled: launch.onNotKilled,
            prompt,
            // It exits without flushing its pipe, and echoes the prompt before it answers.
            ...(launch.home !== undefined && { stdout_file: join(launch.home.path, 'stdout') }),
            onActivity: callbacks.onActivity,
            max_bytes: budget.bytes,
            tooMuch: () => overBudget(budget, seen.seen().has_text),
            onText: text => inPortions(text, reader.push, signal),
          },
          signal,
        );
        reader.end();
        const answer = { ...seen.seen(), exit, prompt_chars: prompt.length };
        if (answer.result === undefined && reader.garbled > 0)
          throw new CcliError(
            'cli_garbled',
            `The CLI printed ${reader.garbled} lines that are not its protocol.`,
          );
        return { ...(model !== undefined && { model }), ...judgeStreamAnswer(answer), warm: false };
      } finally {
        await launch.remove();
      }
    },
    close: () => Promise.resolve(),
  };
}

/**
 * In a directory with files in it, "@name" would put a file's content into the prompt; a backslash prevents that, and
 * the model sees it. In a task's own, empty directory there is nothing to find, and the prompt stays as it is.
 */
const withoutFileReferences = (prompt: string): string => prompt.replace(/(?<!\\)@/g, '\\@');

function collector(onChunk: (text: string) => void): {
  onEvent: (event: StreamEvent) => void;
  seen: () => Pick<StreamAnswer, 'result' | 'errors' | 'has_text'>;
} {
  let result: StreamAnswer['result'];
  let has_text = false;
  const errors: string[] = [];
  return {
    onEvent(event) {
      if (event.type === 'result') result = event;
      else if (event.type === 'error' && event.severity !== 'warning') {
        if (errors.length < MOST_ERRORS) errors.push(event.message);
      } else if (event.type === 'message' && event.role === 'assistant' && event.content !== '') {
        has_text ||= event.content.trim() !== '';
        onChunk(event.content);
      }
    },
    seen: () => ({ result, errors, has_text }),
  };
}
