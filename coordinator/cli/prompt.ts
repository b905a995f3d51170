/** The prompt: an argument, standard input, or both. Checked before anything is sent. */
import { fstatSync, readFileSync } from 'node:fs';
import { Argument, type Command } from 'commander';
import { CcliError } from '../../protocol/errors.ts';
import { MAX_PROMPT_BYTES } from '../../protocol/limits.ts';
import type { InputStream } from './io.ts';

/** What stands on the command line: a prompt or `-`, and behind a prompt another `-`. */
export interface PromptArguments {
  readonly prompt: string | undefined;
  readonly appendStdin: boolean;
}

export function withPromptArguments(command: Command, description: string): Command {
  return command
    .argument('[prompt]', description)
    .addArgument(new Argument('[-]', 'behind a prompt: stdin is added to it').argParser(parseDash));
}

function parseDash(text: string): true {
  if (text === '-') return true;
  throw new CcliError(
    'invalid_request',
    'The prompt is one argument: put quotes around it. Behind it only "-" may stand, which adds standard input.',
  );
}

/**
 * `-` reads standard input, and so does no argument at all unless that is a terminal. `-` behind a prompt adds standard
 * input to it. It is never read unasked: a pipe that was inherited may stay open for ever.
 *
 * @throws CcliError `prompt_empty`, `prompt_has_nul`, `prompt_too_large`; `invalid_request` for bytes that are no UTF-8,
 *   and for a file on standard input that nothing would read.
 */
export async function readPrompt(
  { prompt: argument, appendStdin }: PromptArguments,
  stdin: InputStream,
): Promise<string> {
  if (argument === '-' && appendStdin) {
    throw new CcliError('invalid_request', 'Standard input can be read only once; write "-" once.');
  }
  if (argument === undefined && stdin.isTTY === true) {
    throw new CcliError(
      'prompt_empty',
      'No prompt was given; write it as an argument, or pipe it in: echo "2+2?" | ccli run',
    );
  }
  const prompt =
    argument === undefined || argument === '-'
      ? await readAll(stdin)
      : await withStdin(argument, appendStdin, stdin);
  if (prompt.trim() === '') throw new CcliError('prompt_empty');
  if (prompt.includes('\0')) throw new CcliError('prompt_has_nul');
  if (Buffer.byteLength(prompt) > MAX_PROMPT_BYTES) throw tooLarge();
  return prompt;
}

async function withStdin(argument: string, append: boolean, stdin: InputStream): Promise<string> {
  if (append) {
    const text = await readAll(stdin);
    if (text.trim() !== '') return `${argument}\n\n${text}`;
    throw new CcliError('prompt_empty', 'Standard input is empty: there is nothing to add to the prompt.');
  }
  if (!isUnreadFile(stdin.fd)) return argument;
  throw new CcliError(
    'invalid_request',
    'A file stands on standard input, but the prompt is an argument. Add "-" behind the prompt to send both, or `< /dev/null` to send it alone.',
  );
}

/** Whether `< FILE` was meant for this command; in a loop over the lines of a file, some of it has been read before. */
function isUnreadFile(fd: number | undefined): boolean {
  if (fd === undefined) return false;
  try {
    const found = fstatSync(fd);
    return found.isFile() && found.size > 0 && positionOf(fd) === 0;
  } catch {
    // Closed: there is nothing to read.
    return false;
  }
}

function positionOf(fd: number): number {
  try {
    const [, position] = /^pos:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
    return Number(position ?? 0);
  } catch {
    // Only Linux tells.
    return 0;
  }
}

async function readAll(stdin: InputStream): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stdin) {
    const chunk: Uint8Array = typeof part === 'string' ? Buffer.from(part) : (part as Uint8Array);
    bytes += chunk.byteLength;
    // Endless input must not fill the memory before it is refused.
    if (bytes > MAX_PROMPT_BYTES) throw tooLarge();
    parts.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch (cause) {
    throw new CcliError(
      'invalid_request',
      'The prompt on standard input is not valid UTF-8; convert it first, for example with iconv.',
      { cause },
    );
  }
}

const tooLarge = (): CcliError =>
  new CcliError(
    'prompt_too_large',
    `The prompt is over ${MAX_PROMPT_BYTES} bytes, the most any agent takes; shorten it.`,
  );
