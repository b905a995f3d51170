/** What an error means that a CLI tells in words of its own: most hand on what the model's service said. */
import { CcliError } from '../../protocol/errors.ts';
import { judgeServiceFailure, soundsLikeService } from './evidence-service.ts';

/** As seen with claude-agent-acp, codex, qwen and opencode: "API Error: 401 …", "last status: 429", "(429)", "404 …". */
const STATUS =
  /\bstatus(?: code)?:? (\d{3})\b|\bAPI Error: (\d{3})\b|\bHTTP (\d{3})\b|\((\d{3})\)|^\s*(\d{3})[ :]/i;
/** What OpenAI's and Anthropic's APIs call their errors, and say in place of a status. */
const KINDS: readonly (readonly [RegExp, number])[] = [
  [/invalid_api_key|authentication_error|incorrect api key|invalid api key/i, 401],
  [/insufficient_quota|rate_limit_(?:error|exceeded)|rate limit reached/i, 429],
  [/model_not_found|\bmodel\b.{0,80} (?:does not exist|not found)/i, 404],
  [/invalid_request(?:_error)?|unsupported parameter/i, 400],
  [/overloaded_error|server_error|api_error/i, 503],
];
const CUT = /max_output_tokens|output token (?:maximum|limit)|finish_?reason:? "?length/i;
const TOO_LONG = /prompt is too long|context[ _]length|context window|maximum context/i;

/** Undefined where nothing in it is known. */
export function judgeWords(text: string): CcliError | undefined {
  if (CUT.test(text)) return new CcliError('reply_truncated', `The answer was cut short: ${brief(text)}`);
  if (TOO_LONG.test(text))
    return new CcliError('context_too_long', `The prompt is too long for the model: ${brief(text)}`);
  const status = statusIn(text) ?? KINDS.find(([words]) => words.test(text))?.[1];
  if (status === undefined && !soundsLikeService(text)) return undefined;
  return judgeServiceFailure({ status, message: text });
}

export const judgeTold = (text: string): CcliError =>
  judgeWords(text) ?? new CcliError('cli_crashed', `The CLI reported an error: ${brief(text)}`);

function statusIn(text: string): number | undefined {
  const groups: readonly (string | undefined)[] = STATUS.exec(text)?.slice(1) ?? [];
  const status = Number(groups.find(group => group !== undefined));
  return status >= 400 && status < 600 ? status : undefined;
}

const brief = (text: string): string => text.trim().slice(0, 500);
