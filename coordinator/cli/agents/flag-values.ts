/** What the values of the options of `ccli agents` mean; a wrong one is an error of commander's. */
import { InvalidArgumentError } from 'commander';
import type { z } from 'zod';
import { KeepAliveSchema, OllamaOptionsSchema } from '../../../protocol/registration.ts';

export type KeepAlive = z.infer<typeof KeepAliveSchema>;
export type OllamaOptions = z.infer<typeof OllamaOptionsSchema>;

export const checked =
  <T>(schema: z.ZodType<T>) =>
  (text: string): T => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`Expected ${parsed.error.issues[0]?.message ?? 'something else'}.`);
  };

export function oneMore<T extends string>(choices: readonly T[]) {
  return (text: string, before: readonly T[] = []): T[] => {
    const known = choices.find(choice => choice === text);
    if (known === undefined) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
    return before.includes(known) ? [...before] : [...before, known];
  };
}

function pair(text: string): [name: string, value: string] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Write it like name=value.');
  return [name, value];
}

export function oneMoreLabel(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [name, value] = pair(text);
  return { ...before, [name]: value };
}

/** A number, `true`, `false` or a list stand for themselves; all else is text. */
export function oneMoreOption(text: string, before: OllamaOptions = {}): OllamaOptions {
  const [name, value] = pair(text);
  const parsed = OllamaOptionsSchema.safeParse({ ...before, [name]: jsonOr(value) });
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('Its value is a number, true, false, a text, or a list of texts.');
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function keepAlive(text: string): KeepAlive {
  const parsed = KeepAliveSchema.safeParse(/^-?\d+$/.test(text) ? Number(text) : text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('Write it like 5m, or -1 for ever.');
}
