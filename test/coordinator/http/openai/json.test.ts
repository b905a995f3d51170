import { APIError, BadRequestError } from 'openai';
import { expect, test } from 'vitest';
import { type OllamaAnswer, type OllamaStub, ollamaStub } from '../../../support/ollama-stub.ts';
import { clientApi } from './client.ts';

const schema = {
  type: 'object',
  properties: { name: { type: 'string' }, legs: { type: 'integer' } },
  required: ['name', 'legs'],
  additionalProperties: false,
};
const response_format = {
  type: 'json_schema' as const,
  json_schema: { name: 'animal', strict: true, schema },
};
const messages = [{ role: 'user' as const, content: 'a cat' }];

/** An Ollama that gives these answers one after another, as the only agent. */
async function answering(...answers: OllamaAnswer[]) {
  const stub = await ollamaStub({ models: ['llama3:latest'] });
  let asked = 0;
  stub.answer(() => {
    asked += 1;
    return answers[asked - 1] ?? 'no more';
  });
  const api = await clientApi([
    { id: 'walnut-ollama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3:latest' },
  ]);
  return { ...api, stub };
}

const told = (stub: OllamaStub, index: number): string =>
  stub.requests[index]?.messages.map(({ content }) => content).join('\n') ?? '';

test('an answer that fits the schema is given as it is, after one request', async () => {
  const { client, stub } = await answering('{"name":"Minka","legs":4}');
  const { choices } = await client.chat.completions.parse({ model: 'ccli/auto', messages, response_format });
  expect(choices[0]?.message.parsed).toEqual({ name: 'Minka', legs: 4 });
  expect(stub.requests).toHaveLength(1);
  expect(told(stub, 0)).toContain('"additionalProperties":false');
});

test('a fence around the JSON is taken off', async () => {
  const { client } = await answering('```json\n{"name":"Minka","legs":4}\n```');
  const { choices } = await client.chat.completions.create({ model: 'ccli/auto', messages, response_format });
  expect(choices[0]?.message.content).toBe('{"name":"Minka","legs":4}');
});

test('an answer that does not fit is repaired once, and both are counted', async () => {
  const { client, stub, fleet } = await answering(
    { text: ['{"name":"Minka","legs":"four"}'], prompt_tokens: 10, output_tokens: 5 },
    { text: ['{"name":"Minka","legs":4}'], prompt_tokens: 30, output_tokens: 6 },
  );
  const { choices, usage, id } = await client.chat.completions.create({
    model: 'ccli/auto',
    messages,
    response_format,
  });
  expect(choices[0]?.message.content).toBe('{"name":"Minka","legs":4}');
  expect(usage).toEqual({ prompt_tokens: 40, completion_tokens: 11, total_tokens: 51 });
  expect(told(stub, 1)).toContain('{"name":"Minka","legs":"four"}');
  expect(told(stub, 1)).toContain('"/legs" must be integer');
  const group = id.replace('chatcmpl-', '');
  expect((await fleet.call('list', { group })).tasks).toHaveLength(1);
});

test('an answer that does not fit after its repair either is an error', async () => {
  const { client } = await answering('a cat', 'still a cat');
  const failure: unknown = await client.chat.completions
    .create({ model: 'ccli/auto', messages, response_format: { type: 'json_object' } })
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(APIError);
  expect(failure).toMatchObject({ status: 502, code: 'invalid_answer' });
});

test('streamed, the checked JSON comes in one piece', async () => {
  const { client } = await answering('{"name":', '```\n{"name":"Minka","legs":4}\n```');
  const stream = await client.chat.completions.create({
    model: 'ccli/auto',
    messages,
    response_format,
    stream: true,
  });
  const pieces: string[] = [];
  for await (const { choices } of stream) {
    const content = choices[0]?.delta.content ?? '';
    if (content !== '') pieces.push(content);
  }
  expect(pieces).toEqual(['{"name":"Minka","legs":4}']);
});

test('an answer that was cut short is told as that, and not repaired', async () => {
  const { client, stub } = await answering({ text: ['{"name":"Mi'], done_reason: 'length' });
  const { choices } = await client.chat.completions.create({ model: 'ccli/auto', messages, response_format });
  expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '{"name":"Mi' } });
  expect(stub.requests).toHaveLength(1);
});

test('the Responses API has it as well', async () => {
  const { client } = await answering('{"name":"Minka","legs":4}');
  const { output_parsed } = await client.responses.parse({
    model: 'ccli/auto',
    input: 'a cat',
    text: { format: { type: 'json_schema' as const, name: 'animal', schema } },
  });
  expect(output_parsed).toEqual({ name: 'Minka', legs: 4 });
});

test('a schema that is none is refused before anything runs', async () => {
  const { client, fleet } = await answering();
  const format = { type: 'json_schema' as const, name: 'x', schema: { type: 'objekt' } };
  const responses: unknown = await client.responses
    .create({ model: 'ccli/auto', input: 'x', text: { format } })
    .catch((error: unknown) => error);
  expect(responses).toMatchObject({ status: 400, code: 'invalid_request', param: 'text.format.schema' });
  const failure: unknown = await client.chat.completions
    .create({
      model: 'ccli/auto',
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'x', schema: { $ref: 'http://127.0.0.1/x' } },
      },
    })
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(BadRequestError);
  expect(failure).toMatchObject({ code: 'invalid_request', param: 'response_format.json_schema.schema' });
  expect((await fleet.call('list', {})).tasks).toEqual([]);
});

test('a schema with a pattern that is matched for ever does not hold up the coordinator', async () => {
  const evil = { type: 'string', pattern: '^(a+)+$' };
  const answer = `"${'a'.repeat(60)}b"`;
  const { client, stub, get } = await answering(answer, answer);
  let answered = false;
  const asking: Promise<unknown> = client.chat.completions
    .create({
      model: 'ccli/auto',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: evil } },
    })
    .catch((error: unknown) => error)
    .finally(() => {
      answered = true;
    });
  await stub.received(1);
  // The pattern is being matched from about now on: the loop has to turn for others meanwhile.
  for (let turns = 0; turns < 20; turns += 1) expect((await get('/healthz')).status).toBe(200);
  expect(answered).toBe(false);
  const failure = await asking;
  expect(failure).toBeInstanceOf(BadRequestError);
  expect(failure).toMatchObject({ code: 'invalid_request', param: 'response_format.json_schema.schema' });
  expect(String(failure)).toContain('takes longer than');
  expect(stub.requests).toHaveLength(1);
});
