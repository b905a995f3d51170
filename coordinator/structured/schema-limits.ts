/** Bounds of a caller's JSON Schema: what is compiled and matched here must not cost more than a task. */
import { CcliError } from '../../protocol/errors.ts';

const MAX_CHARS = 120_000;
const MAX_DEPTH = 64;
const MAX_VALUES = 10_000;

/** @throws CcliError `invalid_request` */
export function checkSchemaSize(schema: object): void {
  const { depth, values } = measure(schema);
  if (depth > MAX_DEPTH)
    throw new CcliError('invalid_request', `The schema is nested deeper than ${MAX_DEPTH} levels.`);
  if (values > MAX_VALUES)
    throw new CcliError('invalid_request', `The schema has more than ${MAX_VALUES} parts.`);
  if (JSON.stringify(schema).length > MAX_CHARS)
    throw new CcliError('invalid_request', `The schema is longer than ${MAX_CHARS} characters.`);
}

/** Level by level, and no further than the bounds: it may be deeper than a call stack. */
function measure(schema: object): { depth: number; values: number } {
  let level: unknown[] = [schema];
  let values = 0;
  let depth = 0;
  while (level.length > 0 && depth <= MAX_DEPTH && values <= MAX_VALUES) {
    values += level.length;
    level = level.flatMap(parts);
    depth += 1;
  }
  return { depth, values };
}

const parts = (value: unknown): unknown[] =>
  typeof value === 'object' && value !== null ? Object.values(value) : [];
