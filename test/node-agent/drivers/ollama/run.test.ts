import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { OllamaAgentConfigSchema } from '../../../../node-agent/agent-config/ollama.ts';
import { CcliError } from '../../../../protocol/errors.ts';
import { gate } from '../../../support/gemini-stub.ts';
import { type OllamaAnswer, ollamaStub } from '../../../support/ollama-stub.ts';
import { waitFor } from '../../../support/wait.ts';
import { ask, failure } from '../fixture.ts';
import { ollamaDriver, patient } from './fixture.ts';

/** A driver whose server answers just so. */
async function answering(answer: OllamaAnswer, agent: Record<string, unknown> = {}) {
  const stub = await ollamaStub({ answer: () => answer });
  return { stub, driver: ollamaDriver({ endpoint: stub.url, ...agent }) };
}

test('an answer comes in pieces, with its tokens, its model and how long that took to load', async () => {
  const { driver } = await answering({ text: ['The ', 'answer'], prompt_tokens: 12, load_ms: 1_234 });
  expect(await ask(driver, 'question')).toEqual({
    text: 'The answer',
    chunks: ['The ', 'answer'],
    completeness: 'whole',
    usage: { input_tokens: 12, output_tokens: 2, total_tokens: 14 },
    load_ms: 1_234,
    model: 'llama3',
    warm: false,
  });
});

test('options and keep_alive are passed on, and a prompt may not be shortened in silence', async () => {
  const { stub, driver } = await answering('yes', {
    options: { num_ctx: 8_192, temperature: 0.2, stop: ['END'] },
    keep_alive: '10m',
  });
  await ask(driver, 'question');
  expect(stub.requests[0]).toMatchObject({
    model: 'llama3',
    messages: [{ role: 'user', content: 'question' }],
    stream: true,
    truncate: false,
    options: { num_ctx: 8_192, temperature: 0.2, stop: ['END'] },
    keep_alive: '10m',
  });
});

test.each([
  ['-1', -1],
  ['300', 300],
  [0, 0],
  ['1h', '1h'],
])('keep_alive %o goes out as %o, which Ollama can read', async (written, sent) => {
  const { stub, driver } = await answering('yes', { keep_alive: written });
  await ask(driver, 'question');
  expect(stub.requests[0]?.keep_alive).toBe(sent);
});

test('what was said before in a session goes before the prompt', async () => {
  const { stub, driver } = await answering('yes');
  await ask(driver, 'third', {
    history: [
      { prompt: 'first', response: 'one' },
      { prompt: 'second', response: 'two' },
    ],
  });
  expect(stub.requests[0]?.messages).toEqual([
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'one' },
    { role: 'user', content: 'second' },
    { role: 'assistant', content: 'two' },
    { role: 'user', content: 'third' },
  ]);
});

test('instructions stand above the conversation, and what format the answer has to have beside it', async () => {
  const { stub, driver } = await answering('yes');
  const format = { type: 'object', properties: { sum: { type: 'number' } }, required: ['sum'] };
  await ask(driver, 'second', {
    instructions: 'Be brief.',
    history: [{ prompt: 'first', response: 'one' }],
    format,
  });
  await ask(driver, 'third', { format: 'json' });
  expect(stub.requests[0]?.messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'one' },
    { role: 'user', content: 'second' },
  ]);
  expect(stub.requests.map(request => request.format)).toEqual([format, 'json']);
});

test('what a task wants of the sampling goes before the options of its agent', async () => {
  const { stub, driver } = await answering('yes', {
    options: { num_ctx: 8_192, num_predict: 10, temperature: 0.2, stop: ['END'] },
  });
  await ask(driver, 'question', {
    generation: { max_tokens: 500, temperature: 0, top_p: 0.5, stop: ['\n\n'], seed: 7 },
  });
  await ask(driver, 'question', { generation: { stop: [] } });
  expect(stub.requests.map(request => request.options)).toEqual([
    { num_ctx: 8_192, num_predict: 10, temperature: 0, top_p: 0.5, stop: ['END', '\n\n'], seed: 7 },
    { num_ctx: 8_192, num_predict: 10, temperature: 0.2, stop: ['END'] },
  ]);
  expect(stub.requests[0]).not.toHaveProperty('format');
});

test('an answer that its task has ended before a word of it is as good as any', async () => {
  const limited = await answering({ text: [], thinking: ['Hm'], done_reason: 'length', output_tokens: 1 });
  expect(await ask(limited.driver, 'question', { generation: { max_tokens: 1 } })).toMatchObject({
    text: '',
    completeness: 'partial',
    empty_as_asked: true,
  });
  const stopped = await answering({ text: [] });
  expect(await ask(stopped.driver, 'question', { generation: { stop: ['END'] } })).toMatchObject({
    text: '',
    completeness: 'whole',
    empty_as_asked: true,
  });
});

test('of the limits of a task and of its agent the smaller one holds', async () => {
  const { stub, driver } = await answering('yes', { options: { num_predict: 10 } });
  const free = await answering('yes', { options: { num_predict: -1 } });
  for (const max_tokens of [5, 500]) await ask(driver, 'question', { generation: { max_tokens } });
  await ask(free.driver, 'question', { generation: { max_tokens: 500 } });
  expect([...stub.requests, ...free.stub.requests].map(({ options }) => options)).toEqual([
    { num_predict: 5 },
    { num_predict: 10 },
    { num_predict: 500 },
  ]);
});

test.each([
  [500, 'invalid JSON schema in format'],
  [500, 'failed to load model vocabulary required for format'],
  [400, 'json: cannot unmarshal object into Go struct field ChatRequest.format of type string'],
])('a schema that the server refuses (%i: %s) is left to the instructions', async (status, error) => {
  const stub = await ollamaStub({
    answer: ({ format }) => (format === undefined ? 'yes' : { status, error }),
  });
  const driver = ollamaDriver({ endpoint: stub.url });
  expect((await ask(driver, 'question', { format: { type: 'object' } })).text).toBe('yes');
  expect(stub.requests.map(({ format }) => format)).toEqual([{ type: 'object' }, undefined]);
});

test('a server that fails for another reason is not asked again without the schema', async () => {
  const { stub, driver } = await answering({ status: 500, error: 'unexpected EOF' });
  expect(await failure(ask(driver, 'question', { format: 'json' }))).toMatchObject({
    code: 'model_unavailable',
  });
  expect(stub.requests).toHaveLength(1);
});

test('a task that names a model gets that one', async () => {
  const stub = await ollamaStub({ models: ['llama3:70b'] });
  const result = await ask(ollamaDriver({ endpoint: stub.url }), 'hello', { model: 'llama3:70b' });
  expect(result.model).toBe('llama3:70b');
});

test('thoughts are a sign of life and no part of the answer', async () => {
  let signs = 0;
  const { driver } = await answering({ thinking: ['hmm', ' well'], text: ['4'] });
  const result = await ask(driver, '2+2?', { onActivity: () => (signs += 1) });
  expect(result.text).toBe('4');
  expect(signs).toBeGreaterThanOrEqual(1);
});

test('a character cut by the network comes out whole, and so does a line', async () => {
  const line = (content: string, done = false): string =>
    JSON.stringify({ message: { role: 'assistant', content }, done, ...(done && { done_reason: 'stop' }) });
  const bytes = Buffer.from(`${line('größer 🙂 ')}\n\n${line('als vorher')}\n${line('', true)}`);
  const raw = [...bytes].map(byte => Uint8Array.of(byte));
  const { driver } = await answering({ raw });
  expect((await ask(driver, 'question')).text).toBe('größer 🙂 als vorher');
});

test('an answer that was cut by the token limit is called partial', async () => {
  const { driver } = await answering({ text: ['half'], done_reason: 'length' });
  expect((await ask(driver, 'question')).completeness).toBe('partial');
});

test('a model that spent all its tokens on thoughts is told how to get more', async () => {
  const { driver } = await answering({
    thinking: ['hmm'],
    text: [],
    done_reason: 'length',
    output_tokens: 100,
  });
  const error = await failure(ask(driver, 'question'));
  expect(error.code).toBe('reply_truncated');
  expect(error.message).toContain('num_predict');
});

test('a server that gives no reason for the end leaves open whether the answer is whole', async () => {
  const { driver } = await answering({ text: ['yes'], done_reason: null });
  expect((await ask(driver, 'question')).completeness).toBe('unknown');
});

test('an answer past the context, of which the model forgot the beginning, is not called whole', async () => {
  const { driver } = await answering(
    { text: ['long'], prompt_tokens: 25, output_tokens: 600 },
    { options: { num_ctx: 256 } },
  );
  expect((await ask(driver, 'question')).completeness).toBe('unknown');
});

test('an empty answer is left for the node to judge', async () => {
  const { driver } = await answering({ text: [] });
  expect(await ask(driver, 'question')).toMatchObject({ text: '', completeness: 'whole' });
});

test.each<[string, OllamaAnswer]>([
  ['ends without its last line', { text: ['ha', 'lf'], end: 'silence' }],
  ['is cut off by a broken connection', { text: ['ha', 'lf'], end: 'reset' }],
])('an answer that %s is truncated', async (_, answer) => {
  const { driver } = await answering(answer);
  expect(await failure(ask(driver, 'question'))).toMatchObject({ code: 'reply_truncated' });
});

test.each<[OllamaAnswer, CcliError['code']]>([
  [{ status: 400, error: 'the input length exceeds the context length' }, 'context_too_long'],
  [
    {
      status: 400,
      error:
        'the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length',
    },
    'context_too_long',
  ],
  [
    {
      status: 400,
      error: 'request (7912 tokens) exceeds the available context size (4096 tokens), try increasing it',
    },
    'context_too_long',
  ],
  [{ status: 400, error: '"llama3" does not support chat' }, 'model_rejected'],
  [
    { status: 500, error: 'model requires more system memory (238.4 GiB) than is available (22.7 GiB)' },
    'out_of_memory',
  ],
  [
    { status: 500, error: 'llama runner process has terminated: cudaMalloc failed: out of memory' },
    'out_of_memory',
  ],
  [{ status: 500, error: 'llama runner process has terminated: signal: killed' }, 'out_of_memory'],
  [
    { status: 500, error: 'llama-server reported out-of-memory during startup: vk::OutOfDeviceMemoryError' },
    'out_of_memory',
  ],
  [
    {
      status: 500,
      error:
        'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details',
    },
    'out_of_memory',
  ],
  [
    {
      status: 500,
      error: "llama runner process has terminated: error loading model: unknown model architecture: 'x'",
    },
    'model_unavailable',
  ],
  [{ text: ['so far '], end: { error: 'CUDA error: out of memory' } }, 'out_of_memory'],
  [
    { text: ['so '], end: { error: 'an error was encountered while running the model: unexpected EOF' } },
    'model_unavailable',
  ],
  [
    { status: 503, error: 'server busy, please try again.  maximum pending requests exceeded' },
    'model_unavailable',
  ],
  [{ status: 502, body: '<html>Bad Gateway</html>' }, 'model_unavailable'],
  [{ status: 499, error: 'request canceled' }, 'model_unavailable'],
  [{ status: 401, error: 'unauthorized' }, 'auth_refused'],
  [{ status: 403 }, 'auth_refused'],
  [{ status: 404, body: '404 page not found' }, 'endpoint_unreachable'],
  [{ raw: ['<html>Welcome to the network</html>'] }, 'cli_garbled'],
  [{ raw: [Uint8Array.of(0x7b, 0xff, 0x0a)] }, 'cli_garbled'],
  [{ raw: ['{"message":{"content":"x"},"done":"perhaps"}\n'] }, 'cli_garbled'],
  [{ raw: Array.from({ length: 9 }, () => 'x'.repeat(1024 * 1024)) }, 'cli_garbled'],
])('the answer %o is %s', async (answer, code) => {
  const { driver } = await answering(answer);
  expect(await failure(ask(driver, 'question'))).toMatchObject({ code });
});

test("Ollama's own words are in the message, and the agent to change", async () => {
  const { driver } = await answering({ status: 400, error: 'the input length exceeds the context length' });
  const { message } = await failure(ask(driver, 'question'));
  expect(message).toContain(
    'num_ctx in the options of agent "one": the input length exceeds the context length',
  );
});

test.each([
  [{ 'retry-after': '7' }, 7_000],
  [{ date: 'Mon, 23 Nov 2026 03:00:00 GMT', 'retry-after': 'Mon, 23 Nov 2026 03:00:30 GMT' }, 30_000],
  [{}, 60_000],
])('a server that asks to slow down with %o is left alone for %d ms', async (headers, retry_after_ms) => {
  const { driver } = await answering({ status: 429, error: 'too many requests', headers });
  expect(await failure(ask(driver, 'question'))).toMatchObject({ code: 'rate_limited', retry_after_ms });
});

test('a prompt longer than the context is refused, not shortened', async () => {
  const stub = await ollamaStub({ num_ctx: 8 });
  const driver = ollamaDriver({ endpoint: stub.url });
  const error = await failure(ask(driver, 'one two three four five six seven eight nine'));
  expect(error.code).toBe('context_too_long');
  expect(error.retryable).toBe(false);
});

test('a server that shortens prompts in silence is found out by its count', async () => {
  const stub = await ollamaStub({ num_ctx: 8, truncates: true });
  const driver = ollamaDriver({ endpoint: stub.url, options: { num_ctx: 8 } });
  const error = await failure(ask(driver, 'one two three four five six seven eight nine'));
  expect(error.code).toBe('context_too_long');
});

test('a model that vanished is told with those there are, and is a problem until it is back', async () => {
  const stub = await ollamaStub({ models: ['qwen3:8b'] });
  const driver = ollamaDriver({ endpoint: stub.url });
  const error = await failure(ask(driver, 'hello'));
  expect(error.code).toBe('model_not_found');
  expect(error.message).toContain('it has qwen3:8b');
  expect(driver.problem?.code).toBe('model_not_found');
  stub.models.add('llama3:latest');
  await ask(driver, 'hello');
  expect(driver.problem).toBeUndefined();
});

test('a first token that does not come in time ends the wait, and the server is told', async () => {
  const held = gate();
  const stub = await ollamaStub({ answer: () => held.opened.then(() => 'late') });
  const driver = ollamaDriver({ endpoint: stub.url, first_token_timeout: '50ms' });
  const error = await failure(ask(driver, 'hello'));
  expect(error.code).toBe('slow_first_token');
  expect(error.message).toContain('first_token_timeout of agent "one"');
  expect(await stub.requests[0]?.ended).toBe('gone');
  held.open();
});

test('while the first token is waited for, the silence of the server is none of a task', async () => {
  const held = gate();
  let signs = 0;
  const stub = await ollamaStub({ answer: () => held.opened.then(() => 'late') });
  const driver = ollamaDriver({ endpoint: stub.url, idle_timeout: '30ms' });
  const asking = ask(driver, 'hello', {
    onActivity: () => {
      signs += 1;
      if (signs === 3) held.open();
    },
  });
  expect((await asking).text).toBe('late');
});

test('the first token ends the wait for it, however slow the others are', async () => {
  const [begun, more] = [gate(), gate()];
  async function* slowly() {
    yield 'one ';
    await more.opened;
    yield 'two';
  }
  const stub = await ollamaStub({
    answer: ({ prompt }) => (prompt === 'slow' ? { text: slowly() } : more.opened.then(() => 'late')),
  });
  const driver = ollamaDriver({ endpoint: stub.url, first_token_timeout: '1s' });
  const asking = ask(driver, 'slow', {
    onActivity: () => {
      begun.open();
    },
  });
  await begun.opened;
  // As long again as the first one had: when this one is too late, the first one would have been.
  expect(await failure(ask(driver, 'later'))).toMatchObject({ code: 'slow_first_token' });
  more.open();
  expect((await asking).text).toBe('one two');
});

test('an abort closes the connection, and settles with its reason once that is done', async () => {
  const held = gate();
  async function* endlessly() {
    yield 'one ';
    await held.opened;
    yield 'never';
  }
  const stub = await ollamaStub({ answer: () => ({ text: endlessly() }) });
  const driver = ollamaDriver({ endpoint: stub.url });
  const controller = new AbortController();
  const chunks: string[] = [];
  const running = driver.run(
    { task_id: 'task', attempt: 1, prompt: 'hello', tool_policy: 'deny' },
    { onChunk: chunk => chunks.push(chunk) },
    controller.signal,
  );
  await waitFor(() => chunks.length === 1, { what: 'the first chunk' });
  const reason = new CcliError('cancelled');
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
  expect(await stub.requests[0]?.ended).toBe('gone');
  held.open();
  expect(chunks).toEqual(['one ']);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});

test('an abort while the model is being loaded ends the wait', async () => {
  const held = gate();
  const stub = await ollamaStub({ answer: () => held.opened.then(() => 'late') });
  const driver = ollamaDriver({ endpoint: stub.url });
  const controller = new AbortController();
  const running = ask(driver, 'hello', { signal: controller.signal });
  await stub.received(1);
  const reason = new CcliError('cancelled');
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
  expect(await stub.requests[0]?.ended).toBe('gone');
  held.open();
});

test('a task that was aborted before it began asks nothing of the server', async () => {
  const stub = await ollamaStub();
  const driver = ollamaDriver({ endpoint: stub.url });
  const reason = new CcliError('cancelled');
  await expect(ask(driver, 'hello', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(stub.requests).toHaveLength(0);
});

test('each task has a connection of its own, which is gone after it', async () => {
  const { stub, driver } = await answering('yes');
  for (let round = 0; round < 5; round += 1) await ask(driver, 'hello');
  // The looks at the memory of the server share one.
  await waitFor(async () => (await stub.connections()) <= 1, { what: 'the connections being closed' });
});

test('a prompt whose connection breaks is not sent again, however many others there are', async () => {
  const stub = await ollamaStub();
  const driver = ollamaDriver({ endpoint: stub.url });
  await Promise.all(['a', 'b', 'c', 'd'].map(prompt => ask(driver, prompt)));
  stub.answer(() => {
    throw new Error('the connection breaks');
  });
  expect(await failure(ask(driver, 'hello'))).toMatchObject({ code: 'endpoint_unreachable' });
  expect(stub.requests.filter(({ prompt }) => prompt === 'hello')).toHaveLength(1);
});

test('a conversation that was cut in silence fails with what came of it, and is not asked again', async () => {
  const stub = await ollamaStub({ num_ctx: 8, truncates: true });
  const driver = ollamaDriver({ endpoint: stub.url, options: { num_ctx: 8 } });
  const turn = { prompt: 'one two three', response: 'four five six' };
  const chunks: string[] = [];
  const running = driver.run(
    { task_id: 'task', attempt: 1, prompt: 'go on', history: [turn, turn], tool_policy: 'deny' },
    { onChunk: chunk => chunks.push(chunk) },
    patient(),
  );
  expect((await failure(running)).code).toBe('context_too_long');
  expect(chunks.join('')).toBe('echo: go on');
  expect(stub.requests).toHaveLength(1);
});

test('a conversation that is refused for its length is asked again with fewer turns', async () => {
  const stub = await ollamaStub({ num_ctx: 9 });
  const driver = ollamaDriver({ endpoint: stub.url });
  const history = ['one', 'two', 'three', 'four'].map(prompt => ({ prompt, response: 'yes indeed' }));
  expect((await ask(driver, 'go on', { history })).text).toBe('echo: go on');
  expect(stub.requests.map(({ messages }) => messages.length)).toEqual([9, 5]);
});

test('options and keep_alive that change hold from the next task on; its model and server may not', async () => {
  const stub = await ollamaStub();
  const agent = { id: 'one', agent_type: 'ollama', model: 'llama3', endpoint: stub.url };
  const driver = ollamaDriver(agent);
  await ask(driver, 'before');
  const next = OllamaAgentConfigSchema.parse({ ...agent, options: { num_ctx: 99 }, keep_alive: 0 });
  driver.reconfigure?.(next);
  await ask(driver, 'after');
  expect(stub.requests.map(({ options, keep_alive }) => [options, keep_alive])).toEqual([
    [{}, undefined],
    [{ num_ctx: 99 }, 0],
  ]);
  expect(() => driver.reconfigure?.({ ...next, model: 'qwen3' })).toThrow(CcliError);
});

test('a connection that the server closed while it was idle costs no task', async () => {
  const stub = await ollamaStub();
  const driver = ollamaDriver({ endpoint: stub.url });
  await ask(driver, 'hello');
  await stub.close();
  const again = await ollamaStub({ port: Number(new URL(stub.url).port) });
  expect((await ask(driver, 'hello')).text).toBe('echo: hello');
  expect(again.requests).toHaveLength(1);
});

test('an answer that is whole does not wait for a server that keeps the connection open', async () => {
  const held = gate();
  const line = JSON.stringify({ message: { content: 'yes' }, done: true, done_reason: 'stop' });
  const stub = await ollamaStub({ answer: () => ({ raw: [`${line}\n`], hold: held.opened }) });
  const driver = ollamaDriver({ endpoint: stub.url });
  expect(await ask(driver, 'hello')).toMatchObject({ text: 'yes', completeness: 'whole' });
  expect(await stub.requests[0]?.ended).toBe('gone');
  held.open();
});

test('many tasks at once do not wait for one another', async () => {
  const all = gate();
  const stub = await ollamaStub({
    answer: async ({ prompt }) => {
      if (stub.requests.length === 20) all.open();
      await all.opened;
      return prompt;
    },
  });
  const driver = ollamaDriver({ endpoint: stub.url });
  const prompts = Array.from({ length: 20 }, (_, index) => `prompt ${String(index)}`);
  const results = await Promise.all(prompts.map(prompt => ask(driver, prompt)));
  expect(results.map(({ text }) => text)).toEqual(prompts);
});

test('closing the driver closes its connections', async () => {
  const stub = await ollamaStub();
  const driver = ollamaDriver({ endpoint: stub.url });
  await ask(driver, 'hello');
  await driver.close();
  await waitFor(async () => (await stub.connections()) === 0, { what: 'no connection being open' });
});
