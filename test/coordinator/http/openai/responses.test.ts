import { BadRequestError, NotFoundError } from 'openai';
import { expect, test } from 'vitest';
import { ollamaStub } from '../../../support/ollama-stub.ts';
import { script } from '../support/api.ts';
import { clientApi } from './client.ts';

const thrown = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return undefined;
};

test('answers a prompt, and the client finds the text', async () => {
  const { client, fleet } = await clientApi();
  const response = await client.responses.create({
    model: 'walnut-echo',
    input: 'hello',
    metadata: { project: 'x' },
  });
  expect(response.output_text).toBe('echo: hello');
  expect(response).toMatchObject({
    object: 'response',
    status: 'completed',
    model: 'walnut-echo',
    error: null,
    incomplete_details: null,
    metadata: { project: 'x' },
    tools: [],
    output: [{ type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text' }] }],
  });
  const task_id = response.id.replace('resp_', '');
  expect((await fleet.call('get', { task_id })).status).toBe('completed');
});

test('an answer of before can be sent again as it came', async () => {
  const { client } = await clientApi();
  const first = await client.responses.create({ model: 'ccli/auto', input: 'one' });
  const second: unknown = await client.post('/responses', {
    body: {
      model: 'ccli/auto',
      instructions: 'Be brief.',
      input: [{ role: 'user', content: 'one' }, ...first.output, { role: 'user', content: 'two' }],
    },
  });
  for (const said of ['Be brief.', 'echo: one', 'two']) expect(JSON.stringify(second)).toContain(said);
});

test('tells the answer in events that the client puts together', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  stub.answer(() => ({ text: ['one ', 'two'], prompt_tokens: 5, output_tokens: 2 }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const stream = await client.responses.create({
    model: 'ccli/ollama',
    input: 'count',
    stream: true,
    max_output_tokens: 16,
  });
  const events = [];
  for await (const event of stream) events.push(event);
  const types = events.map(({ type }) => type);
  expect(types.filter(type => type !== 'response.output_text.delta')).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ]);
  expect(events.map(event => (event.type === 'response.output_text.delta' ? event.delta : '')).join('')).toBe(
    'one two',
  );
  expect(events.map(event => event.sequence_number)).toEqual(events.map((_, index) => index));
  const last = events.at(-1);
  expect(last).toMatchObject({
    type: 'response.completed',
    response: {
      status: 'completed',
      max_output_tokens: 16,
      output: [{ content: [{ text: 'one two' }] }],
      usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
    },
  });
  expect(stub.requests[0]?.options).toMatchObject({ num_predict: 16 });
});

test("the client's own collector of events ends with the whole response", async () => {
  const { client } = await clientApi();
  const stream = client.responses.stream({ model: 'ccli/auto', input: 'hello' });
  const response = await stream.finalResponse();
  expect(response.output_text).toBe('echo: hello');
});

test('an answer that its model has cut short is incomplete, plain and streamed', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  stub.answer(() => ({ text: ['Once upon'], done_reason: 'length' }));
  const { client } = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  const request = { model: 'ccli/ollama', input: 'a story', max_output_tokens: 2 };
  const plain = await client.responses.create(request);
  const expected = { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
  expect(plain).toMatchObject({ ...expected, output_text: 'Once upon' });
  const events = [];
  for await (const event of await client.responses.create({ ...request, stream: true })) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: 'response.incomplete', response: expected });
});

test('what goes wrong in mid-answer is a failed response', async () => {
  const { client } = await clientApi();
  const stream = await client.responses.create({
    model: 'ccli/auto',
    input: script({ before: 'half an answer', exit: 3 }),
    stream: true,
  });
  const events = [];
  for await (const event of stream) events.push(event);
  expect(events.at(-1)).toMatchObject({
    type: 'response.failed',
    response: { status: 'failed', error: { code: 'cli_crashed' }, output: [{ status: 'incomplete' }] },
  });
});

test('refuses what it cannot do in the classes of the client', async () => {
  const { client } = await clientApi();
  const { responses } = client;
  const kept = await thrown(
    responses.create({ model: 'ccli/auto', input: 'x', previous_response_id: 'resp_1' }),
  );
  expect(kept).toBeInstanceOf(BadRequestError);
  expect(kept).toMatchObject({ code: 'unsupported_parameter', param: 'previous_response_id' });
  expect(String(kept)).toContain('send the whole of it as `input`');
  expect(await thrown(responses.create({ model: 'gpt-5', input: 'x', stream: true }))).toBeInstanceOf(
    NotFoundError,
  );
  expect(await thrown(responses.retrieve('resp_1'))).toBeInstanceOf(NotFoundError);
});
