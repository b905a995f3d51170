/** Any error as an answer: RFC 9457 problem details, or under `/v1` what clients of the OpenAI API expect. */
import { HTTPException } from 'hono/http-exception';
import { CcliError, ERRORS, type ErrorCode, toErrorBody } from '../../protocol/errors.ts';
import type { FieldError } from './field-errors.ts';
import { InvalidRequest } from './invalid-request.ts';
import { openAiError } from './openai/error.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly type: `urn:ccli:error:${ErrorCode}`;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly request_id?: string;
  /** Seconds. */
  readonly retry_after?: number;
  readonly cause?: string;
  readonly errors?: readonly Pick<FieldError, 'path' | 'message'>[];
}

/** `too_many_requests` reads "Too many requests". */
const titleOf = (code: ErrorCode): string => {
  const words = code === 'internal' ? 'internal error' : code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** What goes wrong inside is told to the log alone. */
export function problemOf(thrown: unknown, request_id?: string): Problem {
  const error = known(thrown);
  const { code, message, retryable, retry_after_ms, cause } = toErrorBody(error);
  return {
    type: `urn:ccli:error:${code}`,
    title: titleOf(code),
    status: ERRORS[code].http,
    detail: message,
    code,
    retryable,
    ...(request_id !== undefined && { request_id }),
    ...(retry_after_ms !== undefined && { retry_after: Math.ceil(retry_after_ms / 1_000) }),
    ...(cause !== undefined && code !== 'internal' && { cause }),
    ...(error instanceof InvalidRequest && { errors: fieldsOf(error) }),
  };
}

const fieldsOf = (error: InvalidRequest): Pick<FieldError, 'path' | 'message'>[] =>
  error.errors.map(({ path, message }) => ({ path, message }));

/** @param path of the request: decides which kind of client is told */
export function errorResponse(thrown: unknown, path: string, request_id: string): Response {
  if (path === '/v1' || path.startsWith('/v1/')) {
    const error = known(thrown);
    const fields = error instanceof InvalidRequest ? fieldsOf(error) : [];
    const { status, body, headers } = openAiError(withoutInternals(error), fields);
    return new Response(JSON.stringify(body), {
      status,
      headers: { ...headers, ...demandOf(error.code), 'content-type': 'application/json' },
    });
  }
  const problem = problemOf(thrown, request_id);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { ...problemHeaders(problem), 'content-type': PROBLEM_TYPE },
  });
}

export const problemHeaders = ({ code, retry_after }: Problem): Record<string, string> => ({
  ...demandOf(code),
  ...(retry_after !== undefined && { 'retry-after': String(retry_after) }),
});

const demandOf = (code: ErrorCode): Record<string, string> =>
  code === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {};

const withoutInternals = (error: CcliError): CcliError =>
  error.code === 'internal' ? new CcliError('internal', error.message) : error;

/** Errors of the framework, which has refused the request before a handler of ours saw it. */
const REFUSALS: Readonly<Record<number, () => CcliError>> = {
  400: () => new CcliError('invalid_request', 'The body is not valid JSON; mend it.'),
  413: () => new CcliError('message_too_large'),
  415: () => new CcliError('unsupported_media_type'),
};

/** Any thrown value as an error of the table; what is not ours becomes `internal`, with its cause. */
export function known(thrown: unknown): CcliError {
  if (thrown instanceof CcliError) return thrown;
  const refusal = thrown instanceof HTTPException ? REFUSALS[thrown.status] : undefined;
  return refusal?.() ?? new CcliError('internal', undefined, { cause: thrown });
}
