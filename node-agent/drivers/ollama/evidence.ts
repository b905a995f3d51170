/**
 * What Ollama's errors mean. It has no codes of its own but the HTTP status, so its words are looked at: seen from
 * 0.17.4, or read in the source of 0.17.4 and 0.33.2, which hand on the last words of their runners as well.
 *
 * | status | words | means |
 * | --- | --- | --- |
 * | 404 | `model 'x' not found` | the model is not there |
 * | 400 | `the input length exceeds the context length`, `the prompt is longer than the context length …`, `… exceeds the available context size …` | the prompt is too long, and was not shortened |
 * | 400 | `"x" does not support chat`, `time: missing unit in duration "1"` | the request is at fault |
 * | 500 | `option "num_ctx" must be of type integer` | likewise |
 * | 500 | `invalid JSON schema in format`, `failed to load model vocabulary required for format` | the schema cannot be followed: asked again without it |
 * | 400 | `json: cannot unmarshal object into Go struct field ChatRequest.format of type string` | the same, of a server before 0.5 |
 * | 500, or in the stream | `model requires more system memory (8.1 GiB) than is available (4.0 GiB)`, `… terminated: cudaMalloc failed: out of memory`, … | no memory |
 * | 500, or in the stream | `an error was encountered while running the model: unexpected EOF` (a killed runner), or anything else | the server is at fault |
 * | 403 | nothing at all | the name it was called by is not its own |
 * | 503 | `server busy, please try again.  maximum pending requests exceeded` | its queue is full |
 * | 499 | `request canceled` | the load was given up by somebody else's cancel |
 */
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';

export interface ServerFailure {
  readonly endpoint: string;
  readonly model: string;
  readonly agent_id: string;
  /** Absent for an error within an answer that had begun. */
  readonly status: number | undefined;
  /** What Ollama said; undefined when the body is none of its errors. */
  readonly says: string | undefined;
  readonly retry_after_ms?: number | undefined;
}

const CONTEXT =
  /exceed\w*\b[^.]{0,200}\bcontext\b|longer than the context|prompt (?:is )?too long|maximum context length/i;
/** The last of them is how Ollama puts it when its runner died without a word. */
const MEMORY =
  /out[- ]of[- ](?:device[- ])?memory|OutOf\w*Memory|requires more (?:system|gpu) memory|(?:not enough|insufficient) (?:system )?memory|(?:cuda|hip)Malloc failed|(?:failed to|unable to|cannot) allocate|allocation failed|memory layout cannot|failed to commit memory|unable to load full model on GPU|resource limitations/i;
const RUNNER_DIED = /(?:runner|llama-server) process (?:has terminated|no longer running)/i;
/** Of a runner that died: what it says when the model itself is at fault. */
const BAD_MODEL =
  /error loading model|unknown model architecture|invalid (?:file magic|GGUF)|incompatible with your version|no such file|not supported|GGML_ASSERT|K-shift/i;

const BAD_OPTION = /^option "[^"]*" must be/i;

const RATE_LIMIT_PAUSE_MS = 60_000;

/** Of a body of any length, its first words, and its last ones, which are those of a runner. */
const JUDGED_CHARS = 4_096;

function cut(says: string): string {
  if (says.length <= JUDGED_CHARS) return says;
  return `${says.slice(0, JUDGED_CHARS / 2)}\n${says.slice(-JUDGED_CHARS / 2)}`;
}

export function judgeServerFailure(told: ServerFailure): CcliError {
  const failure = told.says === undefined ? told : { ...told, says: cut(told.says) };
  const { status, says = '', endpoint, model } = failure;
  const make = (code: ErrorCode, text: string, retry_after_ms?: number): CcliError =>
    new CcliError(code, said(text, failure), {
      cause: new Error(says === '' ? `HTTP ${status ?? 200}` : says),
      ...(retry_after_ms !== undefined && { retry_after_ms }),
    });

  if (status === 401 || status === 403)
    return make(
      'auth_refused',
      says === '' && status === 403
        ? // What Ollama does with a Host it does not know, while it listens on loopback alone.
          `Ollama at ${endpoint} refused the request; set OLLAMA_HOST on its host, or let the proxy pass its own host name on`
        : `Ollama at ${endpoint} refused the request; check what its proxy or ollama.com asks for`,
    );
  if (status === 429)
    return make(
      'rate_limited',
      `Ollama at ${endpoint} asks to slow down`,
      failure.retry_after_ms ?? RATE_LIMIT_PAUSE_MS,
    );
  if (status === 404)
    return failure.says === undefined
      ? make('endpoint_unreachable', `There is no Ollama at ${endpoint}; check the address and its path`)
      : make('model_not_found', `Ollama at ${endpoint} does not have the model "${model}"`);
  if (status !== undefined && status >= 300 && status < 400)
    return make('endpoint_unreachable', `${endpoint} sends elsewhere; name that address as the endpoint`);
  if (CONTEXT.test(says))
    return make(
      'context_too_long',
      `The prompt is longer than the context of "${model}"; shorten it, or raise num_ctx in the options of agent "${failure.agent_id}"`,
    );
  if (isOutOfMemory(says))
    return make(
      'out_of_memory',
      `"${model}" does not fit into the free memory at ${endpoint}; unload another model, or lower num_ctx`,
      failure.retry_after_ms,
    );
  const refused = status !== undefined && status >= 400 && status < 500 && !PASSING.has(status);
  if (refused || BAD_OPTION.test(says))
    return make('model_rejected', `Ollama at ${endpoint} rejected the request`);
  return make(
    'model_unavailable',
    `Ollama at ${endpoint} is failing or overloaded; try again later`,
    failure.retry_after_ms,
  );
}

/** Statuses below 500 that say nothing against the request: timed out, given up on the way. */
const PASSING: ReadonlySet<number> = new Set([408, 499]);

const isOutOfMemory = (says: string): boolean =>
  MEMORY.test(says) || (RUNNER_DIED.test(says) && !BAD_MODEL.test(says));

function said(text: string, { status, says }: ServerFailure): string {
  const words = says ?? '';
  if (words !== '') return `${text}: ${words.trim().slice(0, 500)}`;
  return status === undefined ? `${text}.` : `${text} (HTTP ${status}).`;
}

/** Seconds, or a date, which is held against the server's own clock. */
export function retryAfter(headers: {
  readonly 'retry-after'?: string | undefined;
  readonly date?: string | undefined;
}): number | undefined {
  const { 'retry-after': value, date } = headers;
  if (value === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1_000;
  const ms = Date.parse(value) - Date.parse(date ?? '');
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
