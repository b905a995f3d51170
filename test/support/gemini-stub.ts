/**
 * A stand-in for the Gemini HTTP API on loopback: what the real CLI needs, scripted by the test, every request recorded.
 *
 *     const stub = await startGeminiStub({ answer: request => `you said ${request.prompt}` });
 *     // run a CLI with stub.environment
 *     await stub.received(1);
 *     await stub.close();
 *
 * Without `answer`, the reply is `echo: ` and the start of the prompt.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface StubRequest {
  /** The last text of the user: the CLI puts a message of its own about its surroundings before it. */
  readonly prompt: string;
  readonly model: string;
  readonly body: unknown;
  /** Names of the tools that the model was offered. */
  readonly tools: readonly string[];
  /** What a tool call of an earlier answer came to, as JSON; empty when there was none. */
  readonly tool_results: readonly string[];
  readonly started_at_ms: number;
  /** Absent while the answer is still going out. */
  ended_at_ms?: number;
}

export type StubAnswer =
  | string
  | {
      /** One SSE event each. */
      readonly text: readonly string[];
      /** `STOP` unless given; `null` for a stream that just ends. */
      readonly finish_reason?: string | null;
      /** Tokens of the answer; one a character unless given. */
      readonly output_tokens?: number;
      /** Sent as thoughts before the text. */
      readonly thought?: string;
    }
  | { readonly call: { readonly name: string; readonly args: Record<string, unknown> } }
  | { readonly status: number; readonly message: string; readonly details?: readonly unknown[] }
  /** 200 with no event at all. */
  | { readonly empty: true }
  /** The connection breaks after the events given. */
  | { readonly reset: true; readonly text?: readonly string[] };

export type Answer = (request: StubRequest) => StubAnswer | Promise<StubAnswer>;

export interface GeminiStub {
  readonly url: string;
  /** What a CLI needs in its environment to find the stub. */
  readonly environment: Readonly<Record<string, string>>;
  readonly requests: readonly StubRequest[];
  /** Most requests that were open at the same time. */
  readonly max_overlap: number;
  /** Changes the script from the next request on. */
  answer(script: Answer): void;
  /** Settles once this many requests have come in, counted from the start. */
  received(count: number): Promise<void>;
  close(): Promise<void>;
}

const echo: Answer = request => `echo: ${request.prompt.slice(0, 200)}`;

export async function startGeminiStub(options: { readonly answer?: Answer } = {}): Promise<GeminiStub> {
  let script = options.answer ?? echo;
  const requests: StubRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let open = 0;
  let max_overlap = 0;

  const generate = async (http: IncomingMessage, response: ServerResponse, model: string): Promise<void> => {
    const request = readRequest(JSON.parse(await readText(http)), model);
    requests.push(request);
    for (const one of waiting) if (requests.length >= one.count) one.resolve();
    open += 1;
    max_overlap = Math.max(max_overlap, open);
    try {
      await send(await script(request), response, model);
    } finally {
      open -= 1;
      request.ended_at_ms = performance.now();
    }
  };

  const server = createServer((http, response) => {
    const [, model = '', verb = ''] = /\/models\/([^/:]+):(\w+)/.exec(http.url ?? '') ?? [];
    const handled =
      verb === 'countTokens'
        ? readText(http).then(() => {
            json(response, 200, { totalTokens: 1 });
          })
        : verb === 'streamGenerateContent' || verb === 'generateContent'
          ? generate(http, response, model)
          : readText(http).then(() => {
              json(response, 404, { error: { code: 404, message: 'no such path' } });
            });
    handled.catch((error: unknown) => {
      // A CLI that was killed closes its connection in mid-answer; anything else breaks the exchange visibly.
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stub has no port');
  const url = `http://127.0.0.1:${String(address.port)}`;

  return {
    url,
    environment: { GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: 'stub-key' },
    requests,
    get max_overlap() {
      return max_overlap;
    },
    answer(next) {
      script = next;
    },
    async received(count) {
      if (requests.length >= count) return;
      await new Promise<void>(resolve => waiting.push({ count, resolve }));
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A promise that a test opens by hand: an answer that awaits it is held until then. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  return {
    opened,
    open: () => {
      open();
    },
  };
}

/** The API's refusals, word for word as the CLI's own error parser expects them. */
export const refusals = {
  keyInvalid: {
    status: 400,
    message: 'API key not valid. Please pass a valid API key.',
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'API_KEY_INVALID',
        domain: 'googleapis.com',
        metadata: { service: 'generativelanguage.googleapis.com' },
      },
    ],
  },
  minuteQuota: quota('GenerateRequestsPerMinutePerProjectPerModel-FreeTier', '7s'),
  dayQuota: quota('GenerateRequestsPerDayPerProjectPerModel-FreeTier', '3600s'),
} as const;

function quota(quotaId: string, retryDelay: string) {
  return {
    status: 429,
    message: `You exceeded your current quota, please check your plan and billing details. Please retry in ${retryDelay}.`,
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
        violations: [
          {
            quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
            quotaId,
            quotaValue: '5',
          },
        ],
      },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
    ],
  };
}

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

async function send(answer: StubAnswer, response: ServerResponse, model: string): Promise<void> {
  if (typeof answer === 'string')
    return stream(response, model, textEvents([answer], { finish_reason: 'STOP' }));
  if ('status' in answer) {
    const { status, message, details = [] } = answer;
    json(response, status, {
      error: { code: status, message, status: STATUS_NAMES[status] ?? 'UNKNOWN', details },
    });
    return;
  }
  if ('empty' in answer) return stream(response, model, []);
  if ('call' in answer)
    return stream(response, model, [event([{ functionCall: answer.call }], { finish_reason: 'STOP' })]);
  if ('reset' in answer) {
    sseHead(response);
    for (const one of textEvents(answer.text ?? [], {})) await write(response, model, one);
    response.destroy();
    return;
  }
  const { text, finish_reason = 'STOP', output_tokens, thought } = answer;
  const thoughts = thought === undefined ? [] : [event([{ text: thought, thought: true }], {})];
  await stream(response, model, [
    ...thoughts,
    ...textEvents(text, {
      ...(finish_reason !== null && { finish_reason }),
      ...(output_tokens !== undefined && { output_tokens }),
    }),
  ]);
}

interface Ending {
  readonly finish_reason?: string;
  readonly output_tokens?: number;
}
type Event = Readonly<Record<string, unknown>>;

const textEvents = (texts: readonly string[], ending: Ending): Event[] =>
  texts.length === 0 && ending.finish_reason !== undefined
    ? [event([], ending)]
    : texts.map((text, index) =>
        event(
          [{ text }],
          index === texts.length - 1 ? { output_tokens: texts.join('').length, ...ending } : {},
        ),
      );

function event(parts: readonly unknown[], { finish_reason, output_tokens = 0 }: Ending): Event {
  return {
    candidates: [
      {
        content: { role: 'model', parts },
        index: 0,
        ...(finish_reason !== undefined && { finishReason: finish_reason }),
      },
    ],
    ...(finish_reason !== undefined && {
      usageMetadata: {
        promptTokenCount: 11,
        candidatesTokenCount: output_tokens,
        totalTokenCount: 11 + output_tokens,
      },
    }),
  };
}

const sseHead = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
};

async function stream(response: ServerResponse, model: string, events: readonly Event[]): Promise<void> {
  sseHead(response);
  for (const one of events) await write(response, model, one);
  response.end();
}

async function write(response: ServerResponse, model: string, one: Event): Promise<void> {
  // The real API escapes these two, which some readers take for line ends.
  const data = JSON.stringify({ ...one, modelVersion: model }).replace(/[\u2028\u2029]/g, separator =>
    separator === '\u2028' ? '\\u2028' : '\\u2029',
  );
  const line = `data: ${data}\n\n`;
  await new Promise<void>((resolve, reject) => {
    response.write(line, error => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readText(http: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of http) if (Buffer.isBuffer(part)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function readRequest(body: unknown, model: string): StubRequest {
  const lastUser = list(body, 'contents')
    .filter(content => field(content, 'role') === 'user')
    .at(-1);
  const parts = list(lastUser, 'parts');
  return {
    prompt:
      parts
        .map(part => field(part, 'text'))
        .filter(text => typeof text === 'string')
        .at(-1) ?? '',
    model,
    body,
    tools: list(body, 'tools')
      .flatMap(tool => list(tool, 'functionDeclarations'))
      .map(tool => String(field(tool, 'name'))),
    tool_results: parts
      .map(part => field(part, 'functionResponse'))
      .filter(result => result !== undefined)
      .map(result => JSON.stringify(result)),
    started_at_ms: performance.now(),
  };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;

const list = (value: unknown, name: string): unknown[] => {
  const found = field(value, name);
  return Array.isArray(found) ? found : [];
};
