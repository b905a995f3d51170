/** Our errors in the shape that clients of the OpenAI API take apart. */
import { ERRORS, type ErrorBody, type ErrorCode, toErrorBody } from '../../../protocol/errors.ts';
import { ParameterError } from './parameter-error.ts';
import { TaskFailure } from './task-failure.ts';

export type OpenAiErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'server_error';

export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: OpenAiErrorType;
    readonly param: string | null;
    readonly code: string;
  };
}

export interface OpenAiProblem {
  readonly status: number;
  readonly body: OpenAiErrorBody;
  readonly headers: Readonly<Record<string, string>>;
}

/** A field of the request that is wrong; `path` as `messages.0.content` or in OpenAI's own `messages[0].content`. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

interface Translation {
  readonly status: number;
  readonly code?: string;
  readonly type?: OpenAiErrorType;
  /** Where the request itself names none. */
  readonly param?: string;
}

/**
 * Where clients go by a code or status of OpenAI's, or would misread ours: a 401 means the client's own key, and not
 * that an agent is not signed in.
 */
const TRANSLATIONS: Readonly<Partial<Record<ErrorCode, Translation>>> = {
  safety_refused: { status: 400, code: 'content_filter' },
  context_too_long: { status: 400, code: 'context_length_exceeded' },
  prompt_too_large: { status: 400, code: 'context_length_exceeded' },
  cli_not_signed_in: { status: 502 },
  auth_refused: { status: 502 },
  nats_refused: { status: 502 },
  // Whether the door refuses it or the fleet has nobody for it.
  model_not_found: { status: 404, type: 'invalid_request_error', param: 'model' },
};

/**
 * Whatever was thrown.
 *
 * @param fields of the request that are wrong, which the message tells of: `param` names the first of them
 */
export function openAiError(error: unknown, fields: readonly FieldError[] = []): OpenAiProblem {
  const ours = error instanceof ParameterError || error instanceof TaskFailure ? error : undefined;
  const param = ours?.param;
  const problem = openAiErrorOf(toErrorBody(error), { fields, ...(param !== undefined && { param }) });
  if (!(ours instanceof TaskFailure)) return problem;
  return { ...problem, headers: { ...problem.headers, 'x-ccli-task-id': ours.task_id } };
}

interface At {
  readonly fields?: readonly FieldError[];
  readonly param?: string;
}

/** The error of a task that failed, or of a stream that was closed. */
export function openAiErrorOf(body: ErrorBody, { fields = [], param }: At = {}): OpenAiProblem {
  const translation = TRANSLATIONS[body.code];
  const status = translation?.status ?? ERRORS[body.code].http;
  const first = fields[0];
  return {
    status,
    body: {
      error: {
        message: sentence(body),
        type: translation?.type ?? typeOf(status),
        param: param ?? (first === undefined ? (translation?.param ?? null) : bracketed(first.path)),
        code: translation?.code ?? body.code,
      },
    },
    headers: {
      ...(body.retry_after_ms !== undefined && {
        'retry-after': String(Math.ceil(body.retry_after_ms / 1000)),
        // The official clients prefer it.
        'retry-after-ms': String(body.retry_after_ms),
      }),
      // They try again by status alone unless they are told.
      ...(!body.retryable && { 'x-should-retry': 'false' }),
    },
  };
}

/** This shape has no place of its own for a cause. */
function sentence({ message, cause }: ErrorBody): string {
  if (cause === undefined || message.includes(cause)) return message;
  return `${message}${/[.!?…]$/.test(message) ? '' : '.'} Cause: ${cause}`;
}

/** `messages.0.content` as OpenAI writes it. */
const bracketed = (path: string): string => path.replace(/\.(\d+)(?=\.|$)/g, '[$1]');

function typeOf(status: number): OpenAiErrorType {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
