/** A request that does not fit its schema, with every field that is wrong. */
import type { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { type FieldError, fieldErrors } from './field-errors.ts';

/** As any error of ours, with the fields at fault for the answer's `errors`. */
export class InvalidRequest extends CcliError {
  readonly errors: readonly FieldError[];

  constructor(detail: string, errors: readonly FieldError[]) {
    super('invalid_request', detail);
    this.errors = errors;
  }
}

/** What the caller is told at most in one sentence; the list has them all. */
const NAMED = 5;

/** @param value what was checked */
export function invalidRequest(error: z.ZodError, value: unknown): InvalidRequest {
  const errors = fieldErrors(error, value);
  return new InvalidRequest(sentence(errors), errors);
}

function sentence(errors: readonly FieldError[]): string {
  const missing = [...new Set(errors.filter(error => error.missing).map(error => error.path))];
  if (missing.length > 0)
    return `Missing required field${missing.length > 1 ? 's' : ''}: ${missing.join(', ')}`;
  const wrong = errors
    .slice(0, NAMED)
    .map(({ path, message }) => (path === '' ? `The request: ${message}` : `${path}: ${message}`));
  const more = errors.length > NAMED ? [`and ${errors.length - NAMED} more`] : [];
  return `${[...wrong, ...more].join('; ')}.`;
}
