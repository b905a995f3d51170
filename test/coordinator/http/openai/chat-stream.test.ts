import { EventEmitter, once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { BadRequestError, NotFoundError } from 'openai';
import { expect, test } from 'vitest';
import { scriptedAgent, testCoordinator } from '../../../support/fleet.ts';
import { ollamaStub } from '../../../support/ollama-stub.ts';
import { runs } from '../../../support/running.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { script } from '../support/api.ts';
import { clientApi, taskIdOf } from './client.ts';

const user = (content: string) => ({ role: 'user' as const, content });

const thrown = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return undefined;
};

/** The process that noted its start in this file. */
const toolOf = (log: string): Promise<number> =>
  waitFor(
    async () => {
      const text = await readFile(log, 'utf8').catch(() => '');
      const [, pid] = /^start (\d+)$/m.exec(text) ?? [];
      return pid !== undefined && Number(pid);
    },
    { what: 'the tool' },
  );

const isGone = (pid: number): Promise<unknown> =>
  waitFor(() => Promise.resolve(!runs(pid)), { what: 'the end of the tool' });

test('tells the answer while it comes: role, text, reason, tokens', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  const gate = new EventEmitter();
  const opened = once(gate, 'open');
  stub.answer(() => ({
    text: (async function* () {
      yield 'one ';
      await opened;
      yield 'two';
    })(),
    prompt_tokens: 5,
    output_tokens: 2,
  }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const { data: stream, response } = await client.chat.completions
    .create({
      model: 'ccli/auto',
      messages: [user('count')],
      stream: true,
      stream_options: { include_usage: true },
    })
    .withResponse();
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    // The second half is not even written before the first one was told.
    if (chunk.choices[0]?.delta.content === 'one ') gate.emit('open');
  }
  expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
    { role: 'assistant', content: '', refusal: null },
    { content: 'one ' },
    { content: 'two' },
    {},
    undefined,
  ]);
  expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([
    null,
    null,
    null,
    'stop',
    undefined,
  ]);
  expect(chunks.at(-1)).toMatchObject({
    choices: [],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
  });
  expect(new Set(chunks.map(({ id }) => id))).toEqual(
    new Set([`chatcmpl-${response.headers.get('x-ccli-task-id') ?? ''}`]),
  );
  expect(response.headers.get('x-ccli-agent')).toBe('walnut-ollama');
  expect(response.headers.get('content-type')).toContain('text/event-stream');
});

test('says nothing of tokens unless asked, and ends with [DONE]', async () => {
  const { post } = await clientApi();
  const { body } = await post('/v1/chat/completions', {
    model: 'ccli/auto',
    messages: [user('hi')],
    stream: true,
  });
  const text = String(body['text']);
  expect(text).not.toContain('usage');
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('a long answer comes whole and in order', async () => {
  const { client } = await clientApi();
  const stream = client.chat.completions.stream({
    model: 'ccli/auto',
    messages: [user(script({ say: 'abcdefghij', repeat: 60_000 }))],
  });
  expect(await stream.finalContent()).toBe('abcdefghij'.repeat(60_000));
});

test('what goes wrong before the first piece has a status of its own', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  stub.answer(() => ({ status: 400, error: 'this model does not chat' }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const { completions } = client.chat;
  const ask = (over: object): Promise<unknown> =>
    thrown(completions.create({ model: 'ccli/auto', messages: [user('x')], stream: true, ...over }));
  expect(await ask({ model: 'gpt-4o' })).toBeInstanceOf(NotFoundError);
  expect(await ask({ n: 2 })).toBeInstanceOf(BadRequestError);
  expect(await ask({})).toMatchObject({ status: 400, code: 'model_rejected' });
});

/** An Ollama that breaks off its first answer, and then gives this one. */
async function breakingOff(first: readonly string[], then: readonly string[]) {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  let asked = 0;
  stub.answer(() => {
    asked += 1;
    return asked === 1 ? { text: first, end: 'reset' } : { text: then };
  });
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const stream = await client.chat.completions.create({
    model: 'ccli/auto',
    messages: [user('count')],
    stream: true,
  });
  let text = '';
  const failure = await thrown(
    (async () => {
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    })(),
  );
  return { text, failure, asked };
}

test('another attempt that says the same goes on where the first one broke off', async () => {
  const { text, failure, asked } = await breakingOff(['one ', 'two '], ['one ', 'two ', 'three']);
  expect(failure).toBeUndefined();
  expect(text).toBe('one two three');
  expect(asked).toBe(2);
});

test('another attempt that says something else ends the stream with an error', async () => {
  const { text, failure } = await breakingOff(['one ', 'two '], ['eins ', 'zwei']);
  expect(text).toBe('one two ');
  expect(failure).toMatchObject({ code: 'reply_truncated' });
});

test('a client that begins to read after the end of the task gets the whole answer', async () => {
  const { url, fleet } = await clientApi();
  const say = 'abcdefgh'.repeat(1_000);
  const request = http.request(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  request.end(
    JSON.stringify({ model: 'ccli/auto', messages: [user(script({ say, repeat: 900 }))], stream: true }),
  );
  // Not a byte is read before it is listened to.
  const response = await new Promise<http.IncomingMessage>(resolve => request.once('response', resolve));
  await fleet.reaches(String(response.headers['x-ccli-task-id']), 'completed');
  const text = await readText(response);
  const pieces = Array.from(text.matchAll(/"delta":{"content":"([a-h]*)"}/g), ([, piece = '']) => piece);
  expect(pieces.join('')).toBe(say.repeat(900));
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('what goes wrong after it is an event, and the stream ends', async () => {
  const { client } = await clientApi();
  const stream = await client.chat.completions.create({
    model: 'ccli/auto',
    messages: [user(script({ before: 'half an answer', exit: 3 }))],
    stream: true,
  });
  const told: (string | null | undefined)[] = [];
  const failure = await thrown(
    (async () => {
      for await (const { choices } of stream) told.push(choices[0]?.delta.content);
    })(),
  );
  expect(told.join('')).toContain('half an answer');
  expect(failure).toMatchObject({ code: 'cli_crashed', type: 'server_error' });
});

test('a stop sequence ends the stream also when it comes in pieces', async () => {
  const gate = join(await temporaryDirectory(), 'gate');
  const { client } = await clientApi();
  const stream = await client.chat.completions.create({
    model: 'ccli/auto',
    messages: [user(script({ before: 'one EN', gate, say: 'D two' }))],
    stream: true,
    stop: 'END',
  });
  let text = '';
  let reason: string | null | undefined;
  for await (const { choices } of stream) {
    text += choices[0]?.delta.content ?? '';
    reason = choices[0]?.finish_reason ?? reason;
    // What has come so far may be the beginning of the stop sequence, or not.
    if (text === 'one ') await writeFile(gate, '');
  }
  expect(text).toBe('one ');
  expect(reason).toBe('stop');
});

test('a stop sequence cancels a task that would go on', async () => {
  const log = join(await temporaryDirectory(), 'log');
  const { client, fleet } = await clientApi();
  const { data: stream, response } = await client.chat.completions
    .create({
      model: 'ccli/auto',
      messages: [user(script({ before: 'one END two', hang: true, log }))],
      stream: true,
      stop: ['END'],
    })
    .withResponse();
  let text = '';
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  expect(text).toBe('one ');
  await fleet.reaches(response.headers.get('x-ccli-task-id') ?? '', 'cancelled');
  await isGone(await toolOf(log));
});

test('hanging up cancels a streamed task, and its tool is gone', async () => {
  const log = join(await temporaryDirectory(), 'log');
  const { client, fleet } = await clientApi();
  const { data: stream, response } = await client.chat.completions
    .create({
      model: 'ccli/auto',
      messages: [user(script({ before: 'one', hang: true, log }))],
      stream: true,
    })
    .withResponse();
  for await (const { choices } of stream) if (choices[0]?.delta.content === 'one') break;
  await fleet.reaches(response.headers.get('x-ccli-task-id') ?? '', 'cancelled');
  await isGone(await toolOf(log));
});

test.each([true, false])(
  'hanging up before there is anything to read cancels the task (stream: %s)',
  async stream => {
    const log = join(await temporaryDirectory(), 'log');
    const { client, fleet } = await clientApi();
    const leaving = new AbortController();
    const answer = thrown(
      client.chat.completions.create(
        { model: 'ccli/auto', messages: [user(script({ hang: true, log }))], stream },
        { signal: leaving.signal },
      ),
    );
    const pid = await toolOf(log);
    leaving.abort();
    await answer;
    const { tasks } = await fleet.call('list', {});
    expect(tasks).toHaveLength(1);
    await fleet.reaches(tasks[0]?.task_id ?? '', 'cancelled');
    await isGone(pid);
  },
);

test.each([true, false])('hanging up cancels a task that is still queued (stream: %s)', async stream => {
  const directory = await temporaryDirectory();
  const gate = join(directory, 'gate');
  const { client, fleet } = await clientApi([scriptedAgent('walnut-echo', { max_concurrent: 1 })]);
  const first = client.chat.completions.create({
    model: 'ccli/auto',
    messages: [user(script({ say: 'done', gate }))],
  });
  const busy = first.catch(() => undefined);
  await waitFor(async () => (await fleet.call('list', { status: 'running' })).tasks.length === 1, {
    what: 'the first task running',
  });
  const leaving = new AbortController();
  const second = thrown(
    client.chat.completions.create(
      { model: 'ccli/auto', messages: [user('later')], stream },
      { signal: leaving.signal },
    ),
  );
  const queued = await waitFor(async () => (await fleet.call('list', { status: 'queued' })).tasks[0], {
    what: 'the second task queued',
  });
  leaving.abort();
  await second;
  await fleet.reaches(queued.task_id, 'cancelled');
  await writeFile(gate, '');
  expect((await busy)?.choices[0]?.message.content).toBe('done');
});

test.each([true, false])(
  'a coordinator that stops cancels the task, and says so (stream: %s)',
  async stream => {
    const log = join(await temporaryDirectory(), 'log');
    const { client, fleet } = await clientApi();
    const failing = thrown(
      (async () => {
        const answer = await client.chat.completions.create({
          model: 'ccli/auto',
          messages: [user(script({ before: 'one', hang: true, log }))],
          stream,
        });
        if (Symbol.asyncIterator in answer) for await (const _chunk of answer) continue;
      })(),
    );
    const [running] = await waitFor(
      async () => {
        const { tasks } = await fleet.call('list', { status: 'running' });
        return tasks.length === 1 && tasks;
      },
      { what: 'the task running' },
    );
    await fleet.coordinator.stop();
    const failure = await failing;
    expect(failure).toMatchObject({ code: 'shutting_down' });
    // Streamed, the head has told it already.
    if (!stream) expect(taskIdOf(failure)).toBe(running?.task_id);
    await testCoordinator(fleet.nats);
    await fleet.reaches(running?.task_id ?? '', 'cancelled');
    await isGone(await toolOf(log));
  },
);
