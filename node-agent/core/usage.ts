/** Reads token counts under the names that CLIs give them. */
import type { Usage } from '../../protocol/task.ts';

const NAMES = {
  input_tokens: ['input_tokens', 'inputTokens', 'prompt_tokens', 'promptTokens'],
  output_tokens: ['output_tokens', 'outputTokens', 'completion_tokens', 'completionTokens'],
  total_tokens: ['total_tokens', 'totalTokens'],
} as const;

/** Undefined where there is none to be read. */
export function readUsage(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const count = (names: readonly string[]): number | undefined =>
    names.map(name => fields.get(name)).find(found => isCount(found));
  const input_tokens = count(NAMES.input_tokens);
  const output_tokens = count(NAMES.output_tokens);
  const both =
    input_tokens === undefined || output_tokens === undefined ? undefined : input_tokens + output_tokens;
  const total_tokens = count(NAMES.total_tokens) ?? both;
  if (input_tokens === undefined && output_tokens === undefined && total_tokens === undefined)
    return undefined;
  return {
    ...(input_tokens !== undefined && { input_tokens }),
    ...(output_tokens !== undefined && { output_tokens }),
    ...(total_tokens !== undefined && { total_tokens }),
  };
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0;

/** Of several calls that one answer took. */
export function addUsage(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const sum = (name: keyof typeof NAMES): number => (one[name] ?? 0) + (other[name] ?? 0);
  return {
    input_tokens: sum('input_tokens'),
    output_tokens: sum('output_tokens'),
    total_tokens: sum('total_tokens'),
  };
}
