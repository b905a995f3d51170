/** Takes what a CLI prints and tells whether an answer came of it. */
import { CcliError } from '../../../protocol/errors.ts';
import type { CliAgentConfig } from '../../agent-config/cli.ts';
import { empty, type Judgement } from '../../core/evidence.ts';
import type { Exit } from '../../core/evidence-exit.ts';
import { judgeTold, judgeWords } from '../../core/evidence-told.ts';
import { createJsonAnswerReader } from '../../core/json-answer.ts';
import type { PrintMode } from '../../presets/preset.ts';
import { notSignedIn } from '../../presets/sign-in.ts';
import { endsSignedOut, judgeEnd } from '../judge-end.ts';
import { inPortions } from './portions.ts';

export interface PrintOutput {
  readonly push: (text: string) => Promise<void>;
  /** Whether any of the answer has been handed on. */
  readonly has_text: boolean;
  /** @throws CcliError whatever the output, the exit code and the last words say went wrong. */
  judge(exit: Exit): Judgement;
}

interface PrintOptions {
  readonly agent: CliAgentConfig;
  readonly mode: PrintMode;
  /** As the CLI got it: what it prints may be that. */
  readonly prompt: string;
  readonly max_value_chars: number;
  readonly signal: AbortSignal;
}

type OnText = (text: string) => void;

export const createPrintOutput = (options: PrintOptions, onText: OnText): PrintOutput =>
  options.mode.output === 'json' ? jsonOutput(options, onText) : textOutput(options, onText);

function textOutput({ agent, prompt }: PrintOptions, onText: OnText): PrintOutput {
  let has_text = false;
  return {
    get has_text() {
      return has_text;
    },
    push(text) {
      has_text ||= text.trim() !== '';
      onText(text);
      return Promise.resolve();
    },
    judge(exit) {
      if (exit.code !== 0) throw judgeEnd(agent, exit, prompt);
      if (has_text) return { completeness: 'unknown' };
      throw endsSignedOut(agent, exit.stderr, prompt) ? notSignedIn(agent) : empty();
    },
  };
}

function jsonOutput(options: PrintOptions, onText: OnText): PrintOutput {
  const { agent, mode, prompt, max_value_chars, signal } = options;
  const { answer: path = '' } = mode;
  let told_any = false;
  const reader = createJsonAnswerReader(
    { ...mode, answer: path },
    text => {
      told_any ||= text.trim() !== '';
      onText(text);
    },
    max_value_chars,
  );
  return {
    get has_text() {
      return told_any;
    },
    push: text => inPortions(text, reader.push, signal),
    judge(exit) {
      const { parsed, answered, has_text, error, usage } = reader.end();
      if (error !== undefined)
        throw endsSignedOut(agent, error, prompt) ? notSignedIn(agent, error) : told(options, exit, error);
      if (exit.code !== 0) throw judgeEnd(agent, exit, prompt);
      if (!parsed || !answered) {
        if (endsSignedOut(agent, exit.stderr, prompt)) throw notSignedIn(agent);
        throw new CcliError(
          'cli_garbled',
          parsed
            ? `The CLI printed JSON with no text at "${path}"; mend \`answer\` of agent "${agent.id}", or check the version of the CLI.`
            : `The CLI of agent "${agent.id}" printed no JSON; mend its \`args\`, or set \`output: text\`.`,
        );
      }
      if (!has_text) throw empty();
      return { completeness: 'unknown', ...(usage !== undefined && { usage }) };
    },
  };
}

/** An exit code that the operator has given a meaning says more than words do. */
function told({ agent, prompt }: PrintOptions, exit: Exit, error: string): CcliError {
  const known = judgeWords(error);
  if (known !== undefined || exit.code === 0 || exit.code === null) return known ?? judgeTold(error);
  return agent.exit_codes[exit.code] === undefined ? judgeTold(error) : judgeEnd(agent, exit, prompt);
}
