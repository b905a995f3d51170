/** The prompt: an argument, or standard input. Checked before anything is sent. */
import { CcliError } from '../../protocol/errors.ts';
import { MAX_PROMPT_BYTES } from '../../protocol/limits.ts';
import type { InputStream } from './io.ts';

/**
 * `-` reads standard input, and so does no argument at all unless that is a terminal.
 *
 * @throws CcliError `prompt_empty`, `prompt_has_nul`, `prompt_too_large`; `invalid_request` for bytes that are no UTF-8.
 */
export async function readPrompt(argument: string | undefined, stdin: InputStream): Promise<string> {
  if (argument === undefined && stdin.isTTY === true) {
    throw new CcliError(
      'prompt_empty',
      'No prompt was given; write it as an argument, or pipe it in: echo "2+2?" | ccli run',
    );
  }
  const prompt = argument === undefined || argument === '-' ? await readAll(stdin) : argument;
  if (prompt.trim() === '') throw new CcliError('prompt_empty');
  if (prompt.includes('\0')) throw new CcliError('prompt_has_nul');
  if (Buffer.byteLength(prompt) > MAX_PROMPT_BYTES) throw tooLarge();
  return prompt;
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
