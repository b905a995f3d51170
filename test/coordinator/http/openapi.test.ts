/** The document that the door gives of itself: whole, valid, and the same as the one in the repository. */
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { createApp } from '../../../coordinator/http/app.ts';
import { DESCRIPTIONS } from '../../../coordinator/http/openapi-descriptions.ts';
import { PUBLIC_PATHS } from '../../../coordinator/http/routes/docs.ts';
import { scriptedAgent, testFleet } from '../../support/fleet.ts';
import { openDoor } from './support/open-door.ts';
import { contractOf, type OpenApi, readOpenApi } from './support/openapi.ts';
import { quietDoor } from './support/quiet-door.ts';

const COMMITTED = join(import.meta.dirname, '../../../coordinator/http/openapi.json');

const served = async (): Promise<OpenApi> => await readOpenApi((await openDoor()).url);

test('coordinator/http/openapi.json is what the door serves', async () => {
  const text = `${JSON.stringify(await served(), undefined, 2)}\n`;
  await expect(text, 'run `npm run openapi` to write it anew').toMatchFileSnapshot(COMMITTED);
});

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate({ ...(await served()) });
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

test('every operation has a name of its own, and a tag that is explained', async () => {
  const { paths, tags } = await served();
  const operations = Object.values(paths).flatMap(path => Object.values(path));
  const names = operations.map(({ operationId }) => operationId);
  expect(new Set(names).size).toBe(names.length);
  const explained = tags.map(({ name }) => name);
  for (const { tags: used } of operations) expect(explained).toEqual(expect.arrayContaining(used));
});

test('every reference leads somewhere', async () => {
  const document = await served();
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, ref]) => ref);
  const there = Object.keys(document.components.schemas).map(name => `#/components/schemas/${name}`);
  expect(refs.filter(ref => !there.includes(ref ?? ''))).toEqual([]);
});

test('what is told of fields is told of fields that there are', async () => {
  const { schemas } = (await served()).components;
  for (const [name, fields] of Object.entries(DESCRIPTIONS)) {
    expect(Object.keys(schemas[name]?.['properties'] ?? {}), name).toEqual(
      expect.arrayContaining(Object.keys(fields)),
    );
  }
});

test('whatever the door takes is in the document', async () => {
  const { paths } = await served();
  const documented = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(method => `${method.toUpperCase()} ${path}`),
  );
  const taken = createApp(quietDoor())
    .routes.filter(({ path }) => path !== '/*' && !PUBLIC_PATHS.includes(path))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`);
  const missing = [...new Set(taken)].filter(
    route => !documented.some(known => known === route || known.endsWith(route.replace(/^ALL /, ' '))),
  );
  expect(missing).toEqual([]);
});

test('every operation says which problems the door itself answers with', async () => {
  const { paths } = await served();
  const lacking = Object.entries(paths)
    .filter(([path]) => !path.startsWith('/v1/'))
    .flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { requestBody, responses, security }]) => {
        const statuses = [
          ...['403', '408', '431'],
          ...(security === undefined ? ['401', '429'] : []),
          ...(requestBody === undefined ? [] : ['413', '415']),
        ];
        return statuses
          .filter(status => responses[status]?.content?.['application/problem+json'] === undefined)
          .map(status => `${method} ${path}: ${status}`);
      }),
    );
  expect(lacking).toEqual([]);
  expect(paths['/readyz']?.['get']?.responses['503']?.content).toHaveProperty(['application/problem+json']);
});

test('what a fleet answers is what the document says, field by field', async () => {
  const fleet = await testFleet({ http: { enabled: true } });
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { specialty: ['tester'] })] });
  await fleet.agentReady('walnut-echo');
  const url = fleet.coordinator.http_url ?? '';
  const { keptBy } = contractOf(await readOpenApi(url));
  const send = (path: string, method: string, body?: unknown): Promise<Response> =>
    fetch(`${url}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
  const get = async (path: string, as = path): Promise<unknown> =>
    await keptBy(await send(path, 'GET'), 'get', as);
  const post = async (path: string, body?: unknown, as = path): Promise<unknown> =>
    await keptBy(await send(path, 'POST', body), 'post', as);

  const { task_id } = (await post('/api/tasks', { prompt: 'one', wait: true })) as { task_id: string };
  await post('/api/tasks', { prompt: 'two' });
  await post('/api/tasks', { prompt: '' });
  await post('/api/tasks', { prompt: 'three', colour: 'red' });
  await post('/api/tasks', { prompt: '#{"exit":3}', max_attempts: 1, wait: true });
  await get('/api/tasks');
  await get('/api/tasks?limit=none', '/api/tasks');
  await get(`/api/tasks/${task_id}`, '/api/tasks/{id}');
  await get('/api/tasks/nobody', '/api/tasks/{id}');
  await get(`/api/tasks/${task_id}/explain`, '/api/tasks/{id}/explain');
  await post(`/api/tasks/${task_id}/cancel`, undefined, '/api/tasks/{id}/cancel');
  await post(`/api/tasks/${task_id}/retry`, undefined, '/api/tasks/{id}/retry');
  const cli = { id: 'walnut-echo', agent_type: 'cli_generic', specialty: 'tester' };
  await post('/api/agents/cli', { ...cli, cli_config: { host: 'walnut' } });
  await post('/api/agents/cli', { ...cli, cli_config: { host: 'walnut', node_path: '/no/node' } });
  await post('/api/agents/cli', { ...cli, cli_config: {} });
  await get('/api/agents');
  await get('/api/agents/walnut-echo', '/api/agents/{id}');
  await get('/api/agents/nobody', '/api/agents/{id}');
  await post('/api/agents/walnut-echo/test', {}, '/api/agents/{id}/test');
  await post('/api/agents/walnut-echo/drain', undefined, '/api/agents/{id}/drain');
  await post('/api/agents/walnut-echo/enable', undefined, '/api/agents/{id}/enable');
  await keptBy(await send('/api/agents/walnut-echo', 'DELETE'), 'delete', '/api/agents/{id}');
  await post('/api/coordinate', { prompt: 'four', agents: ['walnut-echo'], strategy: 'all' });
  for (const path of ['/api/nodes', '/api/status', '/api/registration', '/healthz', '/readyz'])
    await get(path);
  await get('/v1/models');
});
