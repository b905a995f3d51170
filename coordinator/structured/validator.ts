/** Whether a value is what a caller's JSON Schema asks for. */
import type { ErrorObject } from 'ajv';
import { CcliError } from '../../protocol/errors.ts';
import type { CheckThread } from './check-thread.ts';
import { checkSchemaSize } from './schema-limits.ts';
import { withoutNullable } from './without-nullable.ts';

/**
 * @param json the value, as text
 * @returns what is wrong, a sentence each; empty when nothing is
 * @throws CcliError `invalid_request` when the schema cannot be held against it: that is no fault of the value's
 */
export type Validator = (json: string) => Promise<readonly string[]>;

/**
 * Of draft 2020-12. References lead only into the schema itself; keywords and formats that are unknown ask for nothing.
 *
 * @throws CcliError `invalid_request` when it is no schema; as `CheckThread.check`
 */
export async function createValidator(
  schema: Readonly<Record<string, unknown>>,
  thread: Pick<CheckThread, 'check'>,
): Promise<Validator> {
  checkSchemaSize(schema);
  // Another draft's name would be looked up, and a promise would pass for a valid value.
  const { $schema: _draft, $async: _async, ...rest } = schema;
  const text = JSON.stringify(withoutNullable(rest));
  const compiled = await thread.check({ schema: text });
  if ('fault' in compiled)
    throw new CcliError('invalid_request', `The JSON Schema cannot be used: ${compiled.fault}.`);
  return async json => {
    const reply = await thread.check({ schema: text, value: json });
    if (!('fault' in reply)) return sentences(reply);
    throw new CcliError(
      'invalid_request',
      `The answer cannot be held against the JSON Schema: ${reply.fault}.`,
    );
  };
}

function sentences({ errors, count }: { errors: readonly ErrorObject[]; count: number }): string[] {
  const named = errors.map(({ instancePath, message, params, keyword }) => {
    const where = instancePath === '' ? 'the value' : `"${instancePath.slice(0, 200)}"`;
    return `${where} ${message ?? `breaks "${keyword}"`}${details(params)}`.slice(0, 400);
  });
  return count > named.length ? [...named, `and ${count - named.length} more`] : named;
}

/** Which values are allowed, and which property is too many: the message alone does not say. */
function details(params: Readonly<Record<string, unknown>>): string {
  const { allowedValues, additionalProperty, allowedValue } = params;
  if (allowedValues !== undefined) return `: ${JSON.stringify(allowedValues)}`;
  if (allowedValue !== undefined) return `: ${JSON.stringify(allowedValue)}`;
  return typeof additionalProperty === 'string' ? `: "${additionalProperty}"` : '';
}
