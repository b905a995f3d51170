/**
 * Scripts for the stub model:
 *
 *     stub.answer(inTurn(failures.overloaded, failures.minute, 'at last'));
 *     stub.answer(perPrompt({ slow: late(gate.opened, 'there'), cut: inTurn({ text: ['ha'], finish_reason: null }) }));
 */
import type { Answer, StubAnswer } from './gemini-stub.ts';

/** One a request; the last again and again. */
export function inTurn(first: StubAnswer, ...rest: readonly StubAnswer[]): Answer {
  let last = first;
  const queue = [first, ...rest];
  return () => {
    last = queue.shift() ?? last;
    return last;
  };
}

/** A script for each prompt that begins so; `otherwise` for all that begin with none of these. */
export function perPrompt(
  scripts: Readonly<Record<string, Answer>>,
  otherwise: Answer = request => `echo: ${request.prompt.slice(0, 200)}`,
): Answer {
  return request => {
    const [, script = otherwise] =
      Object.entries(scripts).find(([start]) => request.prompt.startsWith(start)) ?? [];
    return script(request);
  };
}

/** Held until `when` settles. */
export const late =
  (when: Promise<unknown>, answer: StubAnswer): Answer =>
  async () => {
    await when;
    return answer;
  };
