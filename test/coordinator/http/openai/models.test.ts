import { NotFoundError } from 'openai';
import { expect, test } from 'vitest';
import { scriptedAgent } from '../../../support/fleet.ts';
import { ollamaStub } from '../../../support/ollama-stub.ts';
import { clientApi } from './client.ts';

test('lists every agent, every type, and the virtual models', async () => {
  const stub = await ollamaStub({ models: ['qwen3:8b'] });
  const { client } = await clientApi([
    scriptedAgent('walnut-echo', { specialty: ['docs_writer'] }),
    { id: 'walnut-two', agent_type: 'ollama', endpoint: stub.url, model: 'qwen3:8b' },
  ]);
  const { data } = await client.models.list();
  const ids = data.map(({ id }) => id);
  expect(ids).toEqual(
    expect.arrayContaining([
      'ccli/auto',
      'walnut-echo',
      'walnut-two',
      'cli_generic',
      'ollama',
      'ccli/cli_generic',
      'ccli/ollama',
      'qwen3:8b',
      'ccli/docs_writer',
    ]),
  );
  expect(new Set(ids).size).toBe(ids.length);
  for (const { object, created, owned_by } of data)
    expect([object, typeof created, typeof owned_by]).toEqual(['model', 'number', 'string']);
});

test('tells of one model, whatever its id has in it', async () => {
  const { client, get } = await clientApi();
  for (const id of ['walnut-echo', 'ccli/auto', 'walnut-echo@org/model:7b'])
    expect(await client.models.retrieve(id)).toMatchObject({ id, object: 'model' });
  expect((await get('/v1/models/ccli/auto')).body).toMatchObject({ id: 'ccli/auto' });
  const refused: unknown = await client.models.retrieve('gpt-4o').then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(NotFoundError);
  expect(refused).toMatchObject({ code: 'model_not_found', param: 'model' });
});
