import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { expect, test } from 'vitest';
import { ollamaStub } from '../../../support/ollama-stub.ts';
import { script } from '../support/api.ts';
import { clientApi, taskIdOf } from './client.ts';

const user = (content: string) => ({ role: 'user' as const, content });

/** What the client makes of a refusal. */
const thrown = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return undefined;
};

test('answers a prompt, and says by which task and agent', async () => {
  const { client, fleet } = await clientApi();
  const { data, response } = await client.chat.completions
    .create({ model: 'ccli/auto', messages: [user('hello')] })
    .withResponse();
  expect(data).toMatchObject({
    object: 'chat.completion',
    model: 'ccli/auto',
    choices: [{ index: 0, message: { role: 'assistant', content: 'echo: hello' }, finish_reason: 'stop' }],
  });
  // A tool that tells no counts must not be taken for a free one.
  expect(data.usage).toBeUndefined();
  const task_id = response.headers.get('x-ccli-task-id') ?? '';
  expect(data.id).toBe(`chatcmpl-${task_id}`);
  expect(response.headers.get('x-ccli-agent')).toBe('walnut-echo');
  expect((await fleet.call('get', { task_id })).status).toBe('completed');
});

test('several turns and instructions reach the agent', async () => {
  const { client } = await clientApi();
  const { choices } = await client.chat.completions.create({
    model: 'walnut-echo',
    messages: [
      { role: 'system', content: 'Answer in French.' },
      user('My name is Kim.'),
      { role: 'assistant', content: 'Bonjour Kim.' },
      user('What is my name?'),
    ],
  });
  const told = choices[0]?.message.content ?? '';
  for (const said of ['Answer in French.', 'My name is Kim.', 'Bonjour Kim.', 'What is my name?'])
    expect(told).toContain(said);
});

test('an answer longer than a message comes whole', async () => {
  const { client } = await clientApi();
  const { choices } = await client.chat.completions.create({
    model: 'ccli/auto',
    messages: [user(script({ say: 'abcdefghij', repeat: 60_000 }))],
  });
  expect(choices[0]?.message.content).toBe('abcdefghij'.repeat(60_000));
});

test('a prompt longer than a message reaches the agent', async () => {
  const { client } = await clientApi();
  const long = 'x'.repeat(700_000);
  const { choices } = await client.chat.completions.create({ model: 'ccli/auto', messages: [user(long)] });
  expect(choices[0]?.message.content).toBe(`echo: ${long}`);
});

test('Ollama is told how to sample, and what it has counted is told', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  stub.answer(() => ({ text: ['Hi ', 'there'], prompt_tokens: 11, output_tokens: 2 }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  // Names that OpenAI has given up, and that clients send all the same.
  const older: object = { max_tokens: 16, seed: 7 };
  const { data, response } = await client.chat.completions
    .create({
      model: 'llama3:latest',
      messages: [{ role: 'system', content: 'Be brief.' }, user('hi')],
      temperature: 0.2,
      stop: ['END'],
      ...older,
    })
    .withResponse();
  expect(data.choices[0]?.message.content).toBe('Hi there');
  expect(data.usage).toEqual({ prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 });
  expect(stub.requests[0]?.options).toMatchObject({
    num_predict: 16,
    temperature: 0.2,
    seed: 7,
    stop: ['END'],
  });
  expect(stub.requests[0]?.messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'hi' },
  ]);
  expect(response.headers.get('x-ccli-ignored')).toBeNull();
});

test('an answer that its model has cut short ends with "length"', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  stub.answer(() => ({ text: ['Once upon'], done_reason: 'length' }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const { choices } = await client.chat.completions.create({
    model: 'ccli/ollama',
    messages: [user('a story')],
    max_completion_tokens: 2,
  });
  expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Once upon' } });
});

test.each<[string, { stop?: string[]; max_completion_tokens?: number }, 'stop' | 'length']>([
  ['stop', { stop: ['END'] }, 'stop'],
  ['max_completion_tokens', { max_completion_tokens: 1 }, 'length'],
])('an answer that %s ends before its first word is an empty answer', async (_what, over, reason) => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  stub.answer(() => ({ text: [], thinking: ['Hm'], done_reason: reason }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const request = { model: 'ccli/ollama', messages: [user('a story')], ...over };
  const { choices } = await client.chat.completions.create(request);
  expect(choices[0]).toMatchObject({ finish_reason: reason, message: { content: '' } });
  const reasons: unknown[] = [];
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    expect(chunk.choices[0]?.delta.content ?? '').toBe('');
    reasons.push(chunk.choices[0]?.finish_reason);
  }
  expect(reasons.at(-1)).toBe(reason);
  expect(stub.requests).toHaveLength(2);
});

test('stops at a stop sequence also where the agent cannot, and names what had no effect', async () => {
  const { client } = await clientApi();
  const { data, response } = await client.chat.completions
    .create({
      model: 'ccli/auto',
      messages: [user(script({ say: 'one\nEND\ntwo' }))],
      stop: ['END'],
      temperature: 0,
      safety_identifier: 'kim',
      frequency_penalty: 1,
    })
    .withResponse();
  expect(data.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'one\n' } });
  expect(response.headers.get('x-ccli-ignored')).toBe('safety_identifier, frequency_penalty, temperature');
});

test('headers of ours set the timeout and the priority of the task', async () => {
  const { client, fleet } = await clientApi();
  const { response } = await client.chat.completions
    .create(
      { model: 'ccli/auto', messages: [user('hi')] },
      { headers: { 'x-ccli-timeout-s': '7.5', 'x-ccli-priority': '3' } },
    )
    .withResponse();
  const task_id = response.headers.get('x-ccli-task-id') ?? '';
  const { options } = await fleet.call('get', { task_id });
  expect(options).toMatchObject({ timeout_ms: 7_500, priority: 3 });
  const refused = await thrown(
    client.chat.completions.create(
      { model: 'ccli/auto', messages: [user('hi')] },
      { headers: { 'x-ccli-timeout-s': 'soon' } },
    ),
  );
  expect(refused).toBeInstanceOf(BadRequestError);
  expect(refused).toMatchObject({ code: 'invalid_request', param: 'x-ccli-timeout-s' });
});

test('the classes of the client fit what went wrong', async () => {
  const { client } = await clientApi();
  const { completions } = client.chat;
  const unknown = await thrown(completions.create({ model: 'gpt-4o', messages: [user('hi')] }));
  expect(unknown).toBeInstanceOf(NotFoundError);
  expect(unknown).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
  expect(String(unknown)).toContain('walnut-echo');

  const tools = [{ type: 'function' as const, function: { name: 'f' } }];
  const refused = await thrown(completions.create({ model: 'ccli/auto', messages: [user('hi')], tools }));
  expect(refused).toBeInstanceOf(BadRequestError);
  expect(refused).toMatchObject({ code: 'unsupported_parameter', param: 'tools' });

  const empty = await thrown(completions.create({ model: 'ccli/auto', messages: [user(' ')] }));
  expect(empty).toBeInstanceOf(BadRequestError);
  expect(empty).toMatchObject({ code: 'prompt_empty' });

  const nul = await thrown(
    completions.create({ model: 'ccli/auto', messages: [{ role: 'system', content: 'a\0b' }, user('hi')] }),
  );
  expect(nul).toMatchObject({ status: 400, code: 'prompt_has_nul' });
});

test('a task that fails is an error with its code, and the task to look at', async () => {
  const { client, fleet } = await clientApi();
  const failed = await thrown(
    client.chat.completions.create({
      model: 'ccli/auto',
      messages: [user(script({ say: 'half', exit: 3, stderr: 'broken pipe' }))],
    }),
  );
  expect(failed).toBeInstanceOf(OpenAI.InternalServerError);
  expect(failed).toMatchObject({ code: 'cli_crashed', type: 'server_error' });
  const [task] = (await fleet.call('list', {})).tasks;
  expect(taskIdOf(failed)).toBe(task?.task_id);
});

test.each([
  ['no JSON', '{"model"', {}, 400, 'invalid_request'],
  ['an array', [], {}, 400, 'invalid_request'],
  ['an unknown field', { model: 'ccli/auto', messages: [user('x')], foo: 1 }, {}, 400, 'invalid_request'],
  ['another content type', 'hi', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
  ['nothing', undefined, {}, 415, 'unsupported_media_type'],
])('%s is refused in the shape of OpenAI', async (_what, body, headers, status, code) => {
  const { post } = await clientApi();
  const answer = await post('/v1/chat/completions', body, headers);
  expect(answer.status).toBe(status);
  expect(answer.body).toMatchObject({ error: { code, type: 'invalid_request_error' } });
});

test('other well-known addresses are not there, in the shape of OpenAI', async () => {
  const { client, get } = await clientApi();
  const error = await thrown(client.embeddings.create({ model: 'x', input: 'y' }));
  expect(error).toBeInstanceOf(NotFoundError);
  expect(error).toMatchObject({ code: 'not_found' });
  expect((await get('/v1/chat/completions')).body).toMatchObject({ error: { code: 'method_not_allowed' } });
});
