/** Arguments of tools, checked strictly: one that is not known is refused by name, since a model may have meant it. */
import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { fieldErrors } from '../http/field-errors.ts';

/**
 * Gemini CLI puts an argument of its own into the schema of every tool, and sends it to the server when the model has
 * used it.
 */
const OF_CLIENTS: ReadonlySet<string> = new Set(['wait_for_previous']);

/** What clients are shown. It lets everything pass: an error of the SDK would have no code. */
export function shownArguments(schema: z.ZodObject): StandardSchemaWithJSON<unknown, unknown> {
  const { types: _types, ...standard } = schema['~standard'];
  return { '~standard': { ...standard, validate: value => ({ value }) } };
}

/** @throws CcliError `invalid_request` that names every argument at fault */
export function checkedArguments<I extends z.ZodObject>(schema: I, given: unknown): z.output<I> {
  const value = withoutExtras(given);
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const errors = fieldErrors(checked.error, value).map(({ path, message }) => `${path}: ${message}`);
  throw new CcliError('invalid_request', `The arguments do not fit the tool. ${errors.join('; ')}.`);
}

const withoutExtras = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([name]) => !OF_CLIENTS.has(name)))
    : value;
