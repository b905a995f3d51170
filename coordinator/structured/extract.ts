/** Finds the JSON in an answer that is meant to be nothing else. */
import { beyondBounds, type JsonBounds } from '../../protocol/json-bounds.ts';

export type Extracted =
  | { readonly ok: true; readonly text: string; readonly value: unknown }
  | { readonly ok: false; readonly why: string };

/** Far more than a model says, and parsed in a moment. */
const BOUNDS: JsonBounds = { max_values: 200_000, max_depth: 500 };

/** The whole answer, or the whole of the one fence that it consists of: JSON amid other words is no JSON answer. */
export function extractJson(answer: string): Extracted {
  const trimmed = answer.trim();
  const text = fenced(trimmed) ?? trimmed;
  const beyond = beyondBounds(text, BOUNDS);
  if (beyond === 'max_values')
    return { ok: false, why: `it has more than ${BOUNDS.max_values} values, which is not looked at` };
  if (beyond === 'max_depth')
    return { ok: false, why: `it is nested deeper than ${BOUNDS.max_depth} levels, which is not looked at` };
  try {
    return { ok: true, text, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : 'it cannot be parsed' };
  }
}

const FENCE = '```';

/** Searched by hand: an expression would go over a long answer again and again. */
function fenced(text: string): string | undefined {
  const line = text.indexOf('\n');
  if (!text.startsWith(FENCE) || !text.endsWith(FENCE) || line < 0 || line > text.length - FENCE.length)
    return undefined;
  if (!/^[\w-]*$/.test(text.slice(FENCE.length, line).trim())) return undefined;
  const inner = text.slice(line + 1, -FENCE.length);
  // JSON has no raw line break within a string, so this one would end the fence.
  return inner.startsWith(FENCE) || inner.includes(`\n${FENCE}`) ? undefined : inner.trim();
}
