/**
 * What the thread for schemas does. It is handed over as text, since a thread of Node 20 cannot be started from a
 * TypeScript source: nothing outside of the function may be named in it but types.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorObject } from 'ajv';
import type { Ajv2020 } from 'ajv/dist/2020.js';

export interface CheckJob {
  /** A JSON Schema. */
  readonly schema: string;
  /** In JSON; absent to see only whether the schema is one. */
  readonly value?: string;
}

/** `count` errors, of which the first ones are there; or why nothing can be said. */
export type CheckReply =
  | { readonly errors: readonly ErrorObject[]; readonly count: number }
  | { readonly fault: string };

export function serveChecks(port: MessagePort, Ajv: typeof Ajv2020): void {
  const MOST_KEPT = 16;
  const MOST_NAMED = 10;

  // Some schemas are written for one kind of expression, and some for the other.
  const regExp = Object.assign(
    (pattern: string, flags: string): RegExp => {
      try {
        return new RegExp(pattern, flags);
      } catch {
        return new RegExp(pattern);
      }
    },
    { code: 'new RegExp' },
  );
  const compile = (schema: string) =>
    new Ajv({
      strict: false,
      allErrors: true,
      validateFormats: false,
      meta: false,
      validateSchema: false,
      logger: false,
      code: { regExp },
    }).compile(JSON.parse(schema));

  /** The last ones used come last. */
  const compiled = new Map<string, ReturnType<typeof compile>>();
  const validatorOf = (schema: string): ReturnType<typeof compile> => {
    const validate = compiled.get(schema) ?? compile(schema);
    compiled.delete(schema);
    compiled.set(schema, validate);
    for (const oldest of compiled.keys()) {
      if (compiled.size <= MOST_KEPT) break;
      compiled.delete(oldest);
    }
    return validate;
  };

  const answer = ({ schema, value }: CheckJob): CheckReply => {
    try {
      const validate = validatorOf(schema);
      if (value === undefined || validate(JSON.parse(value))) return { errors: [], count: 0 };
      const errors = validate.errors ?? [];
      return { errors: errors.slice(0, MOST_NAMED), count: errors.length };
    } catch (error) {
      if (error instanceof RangeError) return { fault: 'it goes round in circles' };
      return { fault: error instanceof Error ? error.message.slice(0, 300) : 'it failed' };
    }
  };

  port.on('message', (job: CheckJob) => {
    port.postMessage(answer(job));
  });
  port.postMessage('ready');
}
