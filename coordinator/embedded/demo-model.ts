/**
 * A stand-in for the Gemini HTTP API on loopback, for people who have no key yet: the real CLI runs against it, so the
 * whole road is tried. It answers every prompt alike, and says that it is no model.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';

export interface DemoModel {
  /** What the CLI takes as GOOGLE_GEMINI_BASE_URL. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** A prompt at gemini's own limit, as JSON escapes it at worst. */
const MAX_BODY_BYTES = 64 * 1024 ** 2;
const QUOTED_BYTES = 2_048;

const PartSchema = z.looseObject({ text: z.string().optional() });
const RequestSchema = z.looseObject({
  contents: z.array(z.looseObject({ role: z.string().optional(), parts: z.array(PartSchema).optional() })),
});
type GenerateRequest = z.infer<typeof RequestSchema>;

export async function startDemoModel(): Promise<DemoModel> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      refuse(response, error);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the demo model has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, method] = /^\/v1(?:beta)?\/models\/[^/:]+:(\w+)(?:\?|$)/.exec(request.url ?? '') ?? [];
  if (request.method !== 'POST' || method === undefined) {
    sendError(response, 404, 'NOT_FOUND', 'The demo model only generates content.');
    return;
  }
  const asked = RequestSchema.parse(JSON.parse(await readBody(request)));
  const pieces = demoAnswer(promptOf(asked));
  const usage = usageOf(asked, pieces);
  if (method === 'streamGenerateContent') {
    sendStream(response, pieces, usage);
  } else if (method === 'generateContent') {
    sendJson(response, 200, reply(pieces.join(''), usage));
  } else if (method === 'countTokens') {
    sendJson(response, 200, { totalTokens: usage.promptTokenCount });
  } else {
    sendError(response, 404, 'NOT_FOUND', `The demo model has no ${method}.`);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.byteLength;
    if (size > MAX_BODY_BYTES) throw new Error('The request is too large.');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The CLI puts context of its own before the prompt; what the user wrote is the last text of the last user turn. */
function promptOf({ contents }: GenerateRequest): string {
  const turns = contents.filter(({ role }) => role === undefined || role === 'user');
  const texts = turns
    .flatMap(({ parts }) => parts ?? [])
    .flatMap(({ text }) => (text === undefined ? [] : [text]));
  return texts.at(-1) ?? '';
}

/** In pieces, so that streaming can be seen. */
function demoAnswer(prompt: string): string[] {
  const quoted = clip(prompt.trim());
  return [
    "This is ccli's built-in demo model, not Gemini: it cannot think, it only shows that the road works.\n",
    'Your prompt came through as:\n\n',
    `${quoted.replace(/^/gm, '> ')}\n\n`,
    'For real answers set GEMINI_API_KEY and start again.\n',
  ];
}

function clip(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= QUOTED_BYTES) return text;
  // A character cut in two at the end is dropped.
  const head = new TextDecoder().decode(bytes.subarray(0, QUOTED_BYTES), { stream: true });
  return `${head}… (${bytes.byteLength} bytes in all)`;
}

interface Usage {
  readonly promptTokenCount: number;
  readonly candidatesTokenCount: number;
  readonly totalTokenCount: number;
}

function usageOf(asked: GenerateRequest, pieces: readonly string[]): Usage {
  const tokens = (text: string): number => Math.ceil(text.length / 4);
  const promptTokenCount = tokens(promptOf(asked));
  const candidatesTokenCount = tokens(pieces.join(''));
  return { promptTokenCount, candidatesTokenCount, totalTokenCount: promptTokenCount + candidatesTokenCount };
}

const candidate = (text: string, last: boolean) => ({
  content: { role: 'model', parts: [{ text }] },
  index: 0,
  ...(last && { finishReason: 'STOP' }),
});

const reply = (text: string, usageMetadata: Usage) => ({
  candidates: [candidate(text, true)],
  usageMetadata,
  modelVersion: 'ccli-demo',
});

function sendStream(response: ServerResponse, pieces: readonly string[], usageMetadata: Usage): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  pieces.forEach((text, index) => {
    const last = index === pieces.length - 1;
    const event = { candidates: [candidate(text, last)], usageMetadata, modelVersion: 'ccli-demo' };
    response.write(`data: ${JSON.stringify(event)}\r\n\r\n`);
  });
  response.end();
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, code: number, status: string, message: string): void {
  sendJson(response, code, { error: { code, message, status } });
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  sendError(response, 400, 'INVALID_ARGUMENT', message);
}
