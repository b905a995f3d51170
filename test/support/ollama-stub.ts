/**
 * A stand-in for an Ollama server on loopback: the paths that a driver uses, the words and shapes of 0.17.4 (held against
 * a real one by `contract.test.ts`), scripted by the test, every chat recorded.
 *
 *     const stub = await startOllamaStub({ models: ['llama3:latest', 'qwen3:8b'] });
 *     stub.answer(request => `you said ${request.prompt}`);
 *
 * Without a script, the reply is `echo: ` and the start of the prompt, a token a word.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

const ChatSchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  stream: z.boolean().optional(),
  truncate: z.boolean().optional(),
  keep_alive: z.union([z.number(), z.string()]).optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  format: z.unknown().optional(),
});

export interface OllamaRequest extends z.infer<typeof ChatSchema> {
  /** The last message. */
  readonly prompt: string;
  /** `gone`: the client had hung up before the answer was whole. */
  readonly ended: Promise<'answered' | 'gone'>;
}

export type OllamaAnswer =
  | string
  | {
      /** A line each; one that comes when it will, where a test holds it back. */
      readonly text: readonly string[] | AsyncIterable<string>;
      readonly thinking?: readonly string[];
      /** `stop` unless given; null for a server that does not tell. */
      readonly done_reason?: string | null;
      readonly prompt_tokens?: number;
      readonly output_tokens?: number;
      readonly load_ms?: number;
      /** Instead of the last line: an error, or nothing at all, or a broken connection. */
      readonly end?: { readonly error: string } | 'silence' | 'reset';
    }
  | {
      readonly status: number;
      /** In Ollama's own form; an empty body when there is neither. */
      readonly error?: string;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** A 200 with just these pieces; it ends when `hold` settles. */
  | { readonly raw: readonly (string | Uint8Array)[]; readonly hold?: Promise<unknown> };

export type OllamaScript = (request: OllamaRequest) => OllamaAnswer | Promise<OllamaAnswer>;

export interface OllamaStub {
  /** As an agent's `endpoint` names it. */
  readonly url: string;
  /** Chats, oldest first. */
  readonly requests: readonly OllamaRequest[];
  /** Paths asked for, of chats and of all else. */
  readonly paths: readonly string[];
  /** Most chats with a model that were open at the same time. */
  maxOverlap(model: string): number;
  /** Connections that are open. */
  connections(): Promise<number>;
  answer(script: OllamaScript): void;
  /** What `/api/ps` tells. A model that has answered is there, until `keep_alive: 0` or this takes it away. */
  load(model: string): void;
  unload(model: string): void;
  /** What `/api/tags` tells. */
  readonly models: Set<string>;
  /** Answers everything that is not a chat; absent for Ollama's own answers. */
  refuse(answer: Extract<OllamaAnswer, { status: number }> | undefined): void;
  /** Settles once this many chats have come in, counted from the start. */
  received(count: number): Promise<void>;
  /** Safe to repeat. */
  close(): Promise<void>;
}

interface OllamaStubOptions {
  readonly models?: readonly string[];
  readonly version?: string;
  readonly answer?: OllamaScript;
  /** Where a reverse proxy has it: `/gpu0`. */
  readonly prefix?: string;
  /** Words that a prompt may have. */
  readonly num_ctx?: number;
  /** As before `truncate` came: a prompt that is too long is cut in silence. */
  readonly truncates?: boolean;
  /** Of each model. */
  readonly vram_bytes?: number;
  /** The port to listen on again. */
  readonly port?: number;
}

const echo: OllamaScript = request => `echo: ${request.prompt.slice(0, 200)}`;

/** Closed when the test that asks for it has finished. */
export async function ollamaStub(options: OllamaStubOptions = {}): Promise<OllamaStub> {
  const stub = await startOllamaStub(options);
  onTestFinished(() => stub.close());
  return stub;
}

/** For whoever closes it himself. */
export async function startOllamaStub(options: OllamaStubOptions = {}): Promise<OllamaStub> {
  const { version = '0.17.4', prefix = '', num_ctx = 4_096, vram_bytes = 4_096 } = options;
  let script = options.answer ?? echo;
  let refusal: Extract<OllamaAnswer, { status: number }> | undefined;
  const models = new Set(options.models ?? ['llama3:latest']);
  const loaded = new Set<string>();
  const requests: OllamaRequest[] = [];
  const paths: string[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const open = new Map<string, { now: number; most: number }>();
  const full = (name: string): string => (name.includes(':') ? name : `${name}:latest`);

  const chat = async (http: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = ChatSchema.parse(JSON.parse(await readText(http)));
    const ended = once(response, 'close').then(() => (response.writableFinished ? 'answered' : 'gone'));
    const request: OllamaRequest = { ...body, prompt: body.messages.at(-1)?.content ?? '', ended };
    requests.push(request);
    for (const one of waiting) if (requests.length >= one.count) one.resolve();
    const name = full(body.model);
    if (!models.has(name)) {
      json(response, 404, { error: `model '${body.model}' not found` });
      return;
    }
    const count = open.get(name) ?? { now: 0, most: 0 };
    open.set(name, count);
    count.now += 1;
    count.most = Math.max(count.most, count.now);
    try {
      await reply(request, response, name);
    } finally {
      count.now -= 1;
    }
  };

  const reply = async (request: OllamaRequest, response: ServerResponse, name: string): Promise<void> => {
    const { num_ctx: asked } = request.options ?? {};
    if (asked !== undefined && !Number.isInteger(asked)) {
      json(response, 500, { error: 'option "num_ctx" must be of type integer' });
      return;
    }
    const context = typeof asked === 'number' ? asked : num_ctx;
    const words = request.messages.flatMap(({ content }) => content.split(/\s+/)).length;
    const silently = options.truncates === true || request.truncate !== false;
    if (words > context && !silently) {
      json(response, 400, { error: 'the input length exceeds the context length' });
      return;
    }
    const answer = await script(request);
    if (typeof answer === 'string' || 'text' in answer) loaded.add(name);
    await send(answer, response, { model: request.model, prompt_tokens: Math.min(words, context) });
    if (request.keep_alive === 0) loaded.delete(name);
  };

  const list = (names: Iterable<string>): { name: string; model: string }[] =>
    [...names].map(name => ({
      name,
      model: name,
      size: vram_bytes,
      size_vram: vram_bytes,
      context_length: num_ctx,
    }));

  const server = createServer((http, response) => {
    const path = http.url ?? '';
    paths.push(path);
    const handle = async (): Promise<void> => {
      if (path === `${prefix}/api/chat`) {
        await chat(http, response);
        return;
      }
      if (refusal !== undefined) {
        await send(refusal, response, { model: '', prompt_tokens: 0 });
        return;
      }
      const body =
        path === `${prefix}/api/version`
          ? { version }
          : path === `${prefix}/api/tags`
            ? { models: list(models) }
            : path === `${prefix}/api/ps`
              ? { models: list(loaded) }
              : undefined;
      if (body === undefined)
        response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found');
      else json(response, 200, body);
    };
    handle().catch((error: unknown) => {
      // A client that hung up in mid-answer; anything else breaks the exchange visibly.
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stub has no port');

  return {
    url: `http://127.0.0.1:${String(address.port)}${prefix}`,
    requests,
    paths,
    models,
    maxOverlap: model => open.get(full(model))?.most ?? 0,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => {
          if (error === null) resolve(count);
          else reject(error);
        });
      }),
    answer(next) {
      script = next;
    },
    load: model => loaded.add(full(model)),
    unload: model => loaded.delete(full(model)),
    refuse(next) {
      refusal = next;
    },
    async received(count) {
      if (requests.length >= count) return;
      await new Promise<void>(resolve => waiting.push({ count, resolve }));
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Told {
  readonly model: string;
  readonly prompt_tokens: number;
}

async function send(answer: OllamaAnswer, response: ServerResponse, told: Told): Promise<void> {
  if (typeof answer === 'string') {
    await stream({ text: answer.split(/(?<=\s)/) }, response, told);
    return;
  }
  if ('text' in answer) {
    await stream(answer, response, told);
    return;
  }
  if ('raw' in answer) {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const piece of answer.raw) await write(response, piece);
    await answer.hold;
    response.end();
    return;
  }
  const { status, error, body, headers = {} } = answer;
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(error === undefined ? body : JSON.stringify({ error }));
}

async function* inTurn(text: readonly string[] | AsyncIterable<string>): AsyncGenerator<string> {
  yield* text;
}

async function stream(
  answer: Extract<OllamaAnswer, { text: unknown }>,
  response: ServerResponse,
  { model, prompt_tokens }: Told,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const line = (message: Record<string, string>, rest: Record<string, unknown> = { done: false }): string =>
    `${JSON.stringify({ model, created_at: new Date().toISOString(), message: { role: 'assistant', ...message }, ...rest })}\n`;
  let tokens = 0;
  for (const thinking of answer.thinking ?? []) await write(response, line({ content: '', thinking }));
  for await (const content of inTurn(answer.text)) {
    tokens += 1;
    await write(response, line({ content }));
  }
  const { end, done_reason = 'stop', load_ms = 1 } = answer;
  if (end === 'reset') {
    response.destroy();
    return;
  }
  if (end === undefined) {
    const counts = {
      total_duration: (load_ms + 1) * 1e6,
      load_duration: load_ms * 1e6,
      prompt_eval_count: answer.prompt_tokens ?? prompt_tokens,
      eval_count: answer.output_tokens ?? tokens,
    };
    await write(
      response,
      line({ content: '' }, { done: true, ...(done_reason !== null && { done_reason }), ...counts }),
    );
  } else if (end !== 'silence') await write(response, `${JSON.stringify(end)}\n`);
  response.end();
}

/** Rejects when the client has hung up: a real server stops generating then. */
async function write(response: ServerResponse, piece: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (response.destroyed) reject(new Error('the client has hung up'));
    else
      response.write(piece, error => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
  });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
