/** Reads a CLI's answer out of the JSON it prints: one document, or one value a line. */
import { CcliError } from '../../protocol/errors.ts';
import type { Usage } from '../../protocol/task.ts';
import { parseJson } from './json-text.ts';
import { addUsage, readUsage } from './usage.ts';
import { valueAt } from './value-at.ts';

export interface JsonAnswerPaths {
  readonly answer: string;
  readonly answers?: 'last' | 'all' | undefined;
  readonly error?: string | undefined;
  readonly usage?: string | undefined;
}

/** The longest value that is kept until it is whole, unless said otherwise. */
const MAX_VALUE_CHARS = 32 * 1024 * 1024;
/** Of an error's words; what comes after these is no reason any more. */
const MAX_ERROR_CHARS = 10_000;

export interface JsonAnswer {
  /** Whether there was any JSON at all. */
  readonly parsed: boolean;
  /** Whether a value was where the answer should be. */
  readonly answered: boolean;
  readonly has_text: boolean;
  readonly error: string | undefined;
  readonly usage: Usage | undefined;
}

export interface JsonAnswerReader {
  /** @throws CcliError `cli_garbled`, `output_too_large`: one value is longer than what is kept. */
  readonly push: (text: string) => void;
  /** Hands on what has to wait for the end, and tells what there was. */
  end(): JsonAnswer;
}

export function createJsonAnswerReader(
  paths: JsonAnswerPaths,
  onText: (text: string) => void,
  max_value_chars: number = MAX_VALUE_CHARS,
): JsonAnswerReader {
  /** What is no value yet: the line that is open, or the document. */
  let kept_chars = 0;
  let rest: string[] = [];
  /** The text of a document that stands on several lines, once the first line has shown that it is one. */
  let document: string[] | undefined;
  let parsed = false;
  let answered = false;
  let has_text = false;
  let last: string | undefined;
  let failed: string | true | undefined;
  let usage: Usage | undefined;

  const tell = (text: string): void => {
    has_text ||= text.trim() !== '';
    onText(text);
  };
  const take = (value: object): void => {
    // One level: a list within a list is no message.
    const listed = Array.isArray(value) && !/^-?\d/.test(paths.answer);
    for (const one of listed ? (value as unknown[]) : [value]) takeOne(one);
  };
  const takeOne = (value: unknown): void => {
    parsed = true;
    const answer = valueAt(value, paths.answer);
    if (typeof answer === 'string') {
      answered = true;
      if (paths.answers === 'all') tell(answer);
      else last = answer;
    }
    if (paths.error !== undefined) failed = errorIn(valueAt(value, paths.error)) ?? failed;
    if (paths.usage !== undefined) {
      const counted = readUsage(valueAt(value, paths.usage));
      usage = paths.answers === 'all' ? addUsage(usage, counted) : (counted ?? usage);
    }
  };
  const line = (text: string): void => {
    const value = parseJson(text, { mend: true });
    if (value !== undefined) take(value);
    else if (!parsed && /^\s*[[{]/.test(text)) document = [text];
  };
  const inDocument = (): boolean => document !== undefined;
  const keep = (place: string[], text: string): void => {
    kept_chars += text.length;
    if (kept_chars > max_value_chars)
      throw new CcliError(
        has_text ? 'output_too_large' : 'cli_garbled',
        `The CLI printed more than ${max_value_chars} characters that are no whole JSON value; check its \`args\`, or raise max_output on the node.`,
      );
    place.push(text);
  };

  return {
    push(text) {
      let from = 0;
      for (let end = text.indexOf('\n'); end >= 0 && !inDocument(); end = text.indexOf('\n', from)) {
        line(rest.join('') + text.slice(from, end));
        rest = [];
        // The line end stays with the document that the line has begun.
        from = inDocument() ? end : end + 1;
        if (!inDocument()) kept_chars = 0;
      }
      if (from < text.length) keep(document ?? rest, text.slice(from));
    },
    end() {
      if (document === undefined) line(rest.join(''));
      rest = [];
      const whole = document === undefined ? undefined : parseJson(document.join(''), { mend: true });
      if (whole !== undefined) take(whole);
      // What it says is wrong may stand where the answer would.
      const error = (failed === true ? (last ?? 'it gives no reason') : failed)?.slice(0, MAX_ERROR_CHARS);
      if (last !== undefined && error === undefined) tell(last);
      return { parsed, answered, has_text, error, usage };
    },
  };
}

function errorIn(value: unknown): string | true | undefined {
  if (value === undefined || value === null || value === false || value === '') return undefined;
  if (value === true || typeof value === 'string') return value;
  const message = valueAt(value, 'message') ?? valueAt(value, 'data.message');
  return typeof message === 'string' ? message : JSON.stringify(value);
}
