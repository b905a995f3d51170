/** A document asked for in JSON comes back so that it can be parsed, with nothing added or lost on the way. */
import { isDeepStrictEqual } from 'node:util';
import { type Check, failedAs, failedWith, passed, quoted } from './check.ts';

const WANTED = { verified: true, text: 'a "quoted" word, a back\\slash and ünïcödé', numbers: [1, 2.5, -3] };

export const checkJson: Check = async ({ run }) => {
  const end = await run(
    `Reply with exactly this JSON document and nothing else, no explanation and no code fence: ${JSON.stringify(WANTED)}`,
  );
  if (end.failure !== undefined) return failedWith(end.failure);
  const { document, fenced } = unfenced(end.text);
  const found = parsed(document);
  if (found === undefined) return failedAs('cli_garbled', `The answer is not JSON: ${quoted(end.text)}.`);
  if (!isDeepStrictEqual(found.value, WANTED))
    return failedAs('cli_garbled', `The document is another one than was asked for: ${quoted(end.text)}.`);
  return passed(`The document came back whole${fenced ? ', in a code fence' : ''}.`);
};

/** Models put one around JSON by habit, whatever they are told. */
function unfenced(text: string): { readonly document: string; readonly fenced: boolean } {
  const inside = /^```[a-z]*\n(?<document>.*)\n```$/s.exec(text.trim())?.groups?.['document'];
  return inside === undefined ? { document: text, fenced: false } : { document: inside, fenced: true };
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
