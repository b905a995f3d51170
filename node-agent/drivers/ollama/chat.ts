/** One prompt through `/api/chat`, streamed. */
import type { IncomingMessage } from 'node:http';
import { CcliError } from '../../../protocol/errors.ts';
import type { OllamaAgentConfig } from '../../agent-config/ollama.ts';
import type { DriverTask, RunCallbacks } from '../driver.ts';
import { type ChatLine, type Judged, judgeEnd, readLine } from './answer.ts';
import { judgeServerFailure } from './evidence.ts';
import { waitForFirstToken } from './first-token.ts';
import { withGeneration } from './generation.ts';
import type { OllamaHttp } from './http.ts';
import { createLineSplitter } from './lines.ts';
import { refusalOf, type Who } from './refusal.ts';
import { asBytes } from './reply.ts';

interface ChatOptions {
  readonly http: OllamaHttp;
  readonly agent: OllamaAgentConfig;
  readonly model: string;
  readonly task: Pick<DriverTask, 'instructions' | 'history' | 'prompt' | 'format' | 'generation'>;
  readonly callbacks: RunCallbacks;
  /** Tokens the model was last seen to hold. */
  readonly context_length: number | undefined;
}

/** How long an answer that is whole may leave its connection open. */
const LINGER_MS = 1_000;

/** @throws CcliError as a driver's `run`, but for `empty_reply`, which is the node's to say. */
export async function chat(options: ChatOptions, signal: AbortSignal): Promise<Judged> {
  const { http, agent, model } = options;
  const { onActivity = () => undefined, onChunk } = options.callbacks;
  const first = waitForFirstToken(agent, onActivity, signal);
  let has_text = false;
  const hear = (line: ChatLine): void => {
    first.seen();
    const text = line.message?.content ?? '';
    if (text === '') return;
    has_text ||= text.trim() !== '';
    onChunk(text);
  };
  try {
    const call = { method: 'POST', path: '/api/chat', body: requestBody(options) } as const;
    const last = await http.request(
      call,
      async response => {
        onActivity();
        if (response.statusCode !== 200) throw await refusalOf(response, whoOf(options));
        return await readAnswer(response, { hear, onActivity, who: whoOf(options), signal: first.signal });
      },
      first.signal,
    );
    return judgeEnd({
      last,
      has_text,
      agent_id: agent.id,
      model,
      context_length: contextOf(agent) ?? options.context_length,
      generation: options.task.generation,
    });
  } finally {
    first.stop();
  }
}

function requestBody({ agent, model, task }: ChatOptions): Record<string, unknown> {
  const { keep_alive } = agent;
  return {
    model,
    messages: [
      ...(task.instructions === undefined ? [] : [{ role: 'system', content: task.instructions }]),
      ...(task.history ?? []).flatMap(({ prompt, response }) => [
        { role: 'user', content: prompt },
        { role: 'assistant', content: response },
      ]),
      { role: 'user', content: task.prompt },
    ],
    stream: true,
    // Otherwise a prompt that is too long loses its beginning without a word. `shift`, the same for an answer, is left
    // to the server: to 0.33 a change of it means to load the model anew, and other clients do not name it.
    truncate: false,
    options: withGeneration(agent.options, task.generation),
    ...(task.format !== undefined && { format: task.format }),
    // A number in quotes is no duration to Ollama.
    ...(keep_alive !== undefined && {
      keep_alive: /^-?\d+$/.test(String(keep_alive)) ? Number(keep_alive) : keep_alive,
    }),
  };
}

const whoOf = ({ agent, model }: ChatOptions): Who => ({
  endpoint: agent.endpoint,
  model,
  agent_id: agent.id,
});

function contextOf({ options }: OllamaAgentConfig): number | undefined {
  const { num_ctx } = options;
  return typeof num_ctx === 'number' && num_ctx > 0 ? num_ctx : undefined;
}

interface Reading {
  readonly hear: (line: ChatLine) => void;
  readonly onActivity: () => void;
  readonly who: Who;
  readonly signal: AbortSignal;
}

/** Resolves with the last line. */
async function readAnswer(response: IncomingMessage, reading: Reading): Promise<ChatLine> {
  const { hear, onActivity, who, signal } = reading;
  const splitter = createLineSplitter();
  let last: ChatLine | undefined;
  let linger: NodeJS.Timeout | undefined;
  const take = (text: string): void => {
    if (last !== undefined || signal.aborted) return;
    const said = readLine(text);
    if ('error' in said) throw judgeServerFailure({ ...who, status: undefined, says: said.error });
    hear(said.line);
    if (!said.line.done) return;
    last = said.line;
    linger = setTimeout(() => response.destroy(), LINGER_MS);
  };
  try {
    for await (const chunk of response) {
      if (!signal.aborted) onActivity();
      splitter.push(asBytes(chunk)).forEach(take);
    }
    splitter.rest().forEach(take);
  } catch (error) {
    if (error instanceof CcliError) throw error;
    if (last === undefined) throw brokeOff(who, error);
  } finally {
    clearTimeout(linger);
  }
  // It ends so when a model says one thing more than thirty times over.
  if (last === undefined) throw brokeOff(who, new Error('the stream ended without its last line'));
  return last;
}

const brokeOff = ({ endpoint, model }: Who, cause: unknown): CcliError =>
  new CcliError(
    'reply_truncated',
    `The answer of "${model}" at ${endpoint} broke off before its end; run the prompt again.`,
    { cause },
  );
