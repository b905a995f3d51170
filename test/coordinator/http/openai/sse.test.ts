import { OpenAPIHono } from '@hono/zod-openapi';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Door, DoorEnv } from '../../../../coordinator/http/door.ts';
import { registerOpenAi } from '../../../../coordinator/http/openai/routes.ts';
import { errorResponse } from '../../../../coordinator/http/problem.ts';
import { CcliError, toErrorBody } from '../../../../protocol/errors.ts';
import type { AgentView, TaskView } from '../../../../protocol/operation.ts';
import type { TaskStreamEvent } from '../../../../protocol/stream.ts';
import { agentView } from '../../../support/agent-view.ts';
import { quietDoor } from '../support/quiet-door.ts';

const task = (task_id: string): TaskView => ({
  task_id,
  status: 'completed',
  caller: 'local',
  prompt_bytes: 1,
  options: {},
  attempts: [],
  response: 'one two',
  created_at_ms: 0,
  updated_at_ms: 0,
});

const chunk = (n: number, text: string): TaskStreamEvent => ({
  event: 'chunk',
  position: `1.${n + 1}`,
  attempt: 1,
  n,
  text,
});

const result: TaskStreamEvent = { event: 'result', position: '1.2', task: task('t') };

/** What would take a real fleet many seconds: silence, and a reader who is dropped. */
type Follow = (after: string | undefined) => AsyncIterable<TaskStreamEvent>;

interface Fleet {
  readonly agents?: AgentView[];
  readonly submit?: () => Promise<TaskView>;
}

function chat(
  follow: Follow,
  body: object = {},
  { agents = [], submit = () => Promise.resolve(task('t')) }: Fleet = {},
) {
  const quiet = quietDoor();
  const cancelled: string[] = [];
  const door: Door = {
    ...quiet,
    operations: {
      ...quiet.operations,
      agents: () => Promise.resolve({ agents }),
      submit,
      cancel({ task_id }) {
        cancelled.push(task_id);
        return Promise.resolve(task(task_id));
      },
    },
    streams: { ...quiet.streams, task: ({ after }) => follow(after) },
  };
  const leaving = new AbortController();
  const app = new OpenAPIHono<DoorEnv>();
  app.use(async (c, next) => {
    c.set('caller', 'local');
    c.set('client', 'local');
    c.set('signal', leaving.signal);
    await next();
  });
  app.onError(error => errorResponse(error, '/v1/chat/completions', 'request'));
  registerOpenAi(app, door);
  const answer = Promise.resolve(
    app.request('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'ccli/auto',
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
        ...body,
      }),
    }),
  );
  return { answer, leaving, cancelled, door };
}

/** The texts of an answer, read to its end. */
const textsOf = (events: string): string =>
  Array.from(events.matchAll(/"delta":{"content":"([^"]*)"}/g), ([, text = '']) => text).join('|');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('an agent that thinks for long is waited for with a head, a role and comments', async () => {
  let go = (): void => undefined;
  const thought = new Promise<void>(resolve => {
    go = resolve;
  });
  const { answer, door } = chat(async function* () {
    await thought;
    yield chunk(0, 'one two');
    yield result;
  });
  await vi.advanceTimersByTimeAsync(5_000);
  const reader = (await answer).body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toContain('"role":"assistant"');
  const next = reader?.read();
  await vi.advanceTimersByTimeAsync(15_000);
  expect((await next)?.value).toBe(': keepalive\n\n');
  go();
  expect((await reader?.read())?.value).toContain('one two');
  expect(door.streamGate.open).toBe(1);
  while ((await reader?.read())?.done === false) continue;
  expect(door.streamGate.open).toBe(0);
});

test('a reader who was dropped for being slow goes on where it was', async () => {
  const asked: (string | undefined)[] = [];
  const { answer, cancelled } = chat(async function* (after) {
    asked.push(after);
    await Promise.resolve();
    if (after !== undefined) {
      yield chunk(1, 'two');
      yield result;
      return;
    }
    yield chunk(0, 'one ');
    yield { event: 'closed', error: toErrorBody(new CcliError('slow_reader')) };
  });
  expect(textsOf(await (await answer).text())).toBe('one |two');
  expect(asked).toEqual([undefined, '1.1']);
  expect(cancelled).toEqual([]);
});

test('a piece that is gone comes with the whole answer at the end', async () => {
  const { answer } = chat(async function* () {
    await Promise.resolve();
    yield chunk(0, 'one');
    yield { event: 'gap', position: '1.2', attempt: 1, missing: 1 };
    yield chunk(2, 'o');
    yield result;
  });
  expect(textsOf(await (await answer).text())).toBe('one| two');
});

test('a stream that is closed on its reader is an error, and its task is cancelled', async () => {
  const { answer, cancelled } = chat(async function* () {
    await Promise.resolve();
    yield chunk(0, 'one');
    yield { event: 'closed', error: toErrorBody(new CcliError('shutting_down')) };
  });
  const text = await (await answer).text();
  expect(text).toContain('"code":"shutting_down"');
  expect(text).not.toContain('[DONE]');
  expect(cancelled).toHaveLength(1);
});

/** Nothing comes before its head goes out. */
const silence = (): Follow => {
  const never = new Promise<never>(() => undefined);
  // biome-ignore lint/correctness/useYield: there is nothing to tell
  return async function* () {
    await never;
  };
};

test.each([
  ['walnut-ollama', 'walnut-ollama', null],
  ['walnut-echo', 'walnut-echo', 'temperature'],
  ['ccli/auto', null, null],
  ['ccli/cli_generic', null, 'temperature'],
])('a head that goes out before %s has begun tells what is known', async (model, agent, ignored) => {
  const agents = [
    agentView('walnut-ollama', { agent_type: 'ollama', driver: 'ollama' }),
    agentView('walnut-echo', { agent_type: 'cli_generic', driver: 'headless' }),
  ];
  const { answer, leaving } = chat(silence(), { model, temperature: 0 }, { agents });
  await vi.advanceTimersByTimeAsync(5_000);
  const { headers } = await answer;
  expect(headers.get('x-ccli-agent')).toBe(agent);
  expect(headers.get('x-ccli-ignored')).toBe(ignored);
  leaving.abort();
});

test.each([true, false])(
  'a task that may be there although its submit has failed is cancelled (stream: %s)',
  async stream => {
    const submit = (code: 'store_unavailable' | 'no_agents') => ({
      submit: () => Promise.reject(new CcliError(code)),
    });
    const unclear = chat(silence(), { stream }, submit('store_unavailable'));
    expect((await unclear.answer).status).toBe(503);
    expect(unclear.cancelled).toHaveLength(1);
    const refused = chat(silence(), { stream }, submit('no_agents'));
    expect((await refused.answer).status).toBe(503);
    expect(refused.cancelled).toEqual([]);
  },
);
