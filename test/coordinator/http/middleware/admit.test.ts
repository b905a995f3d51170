/** Who may call, and how often. */
import { describe, expect, test } from 'vitest';
import { CcliError } from '../../../../protocol/errors.ts';
import { FLEET_STATUS } from '../../../support/fleet-status.ts';
import { waitFor } from '../../../support/wait.ts';
import { keysFile } from '../support/keys-file.ts';
import { openDoor } from '../support/open-door.ts';

const withKeys = async (text: string) => {
  const callers: string[] = [];
  const file = await keysFile(text);
  const door = await openDoor({
    settings: { keys_file: file.path },
    operations: {
      status: (_request, { caller }) => {
        callers.push(caller);
        return Promise.resolve(FLEET_STATUS);
      },
    },
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${door.url}${path}`, { headers });
  return { ...door, ...file, callers, get };
};

describe('with API keys', () => {
  test('a request without one, or with a wrong one, is refused', async () => {
    const { get } = await withKeys('ada secret-key-of-ada');
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic YWRhOmtleS1vZi1hZGE=' },
      { authorization: 'Bearer ' },
      { authorization: 'secret-key-of-ada' },
      { 'x-api-key': 'wrong' },
      { 'x-api-key': '' },
    ]) {
      const response = await get('/metrics', headers);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await response.json()).toMatchObject({ code: 'unauthorized' });
    }
  });

  test('the key says whose request it is, in either header', async () => {
    const { get, callers } = await withKeys('ada secret-key-of-ada\nbob secret-key-of-bob');
    expect((await get('/metrics', { authorization: 'Bearer secret-key-of-ada' })).status).toBe(200);
    expect((await get('/metrics', { authorization: 'bearer  secret-key-of-ada' })).status).toBe(200);
    expect((await get('/metrics', { 'x-api-key': 'secret-key-of-bob' })).status).toBe(200);
    expect(callers).toEqual(['ada', 'ada', 'bob']);
  });

  test('only health, readiness and the reference are told without one, however a path is written', async () => {
    const { get, url } = await withKeys('ada secret-key-of-ada');
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    for (const path of ['/openapi.json', '/docs', '/docs/swagger-ui.js'])
      expect((await get(path)).status).toBe(200);
    for (const path of [
      '/metrics',
      '/metrics/',
      '/%6detrics',
      '//metrics',
      '/healthz/',
      '/healthz/../metrics',
      '/healthz/%2e%2e/metrics',
      '/healthz%2f..%2fmetrics',
      '/healthz;/metrics',
      '/api/tasks',
      '/api/agents/',
      '/v1/models',
      '/mcp',
      '/docs/../metrics',
      '/nothing',
    ])
      expect([path, (await get(path)).status]).toEqual([path, 401]);
    expect((await fetch(`${url}/metrics`, { method: 'HEAD' })).status).toBe(401);
    expect((await fetch(`${url}/metrics`, { method: 'OPTIONS' })).status).toBe(401);
  });

  test('a key that is taken away is refused while the door is open', async () => {
    const { get, replace, logged } = await withKeys('ada secret-key-of-ada\nbob secret-key-of-bob');
    const asAda = () => get('/metrics', { authorization: 'Bearer secret-key-of-ada' });
    expect((await asAda()).status).toBe(200);
    await replace('bob secret-key-of-bob');
    await waitFor(async () => (await asAda()).status === 401);
    expect((await get('/metrics', { authorization: 'Bearer secret-key-of-bob' })).status).toBe(200);
    expect(logged('keys_reloaded')).toHaveLength(1);
  });

  test('no key is ever logged', async () => {
    const { get, log } = await withKeys('ada secret-key-of-ada');
    await get('/metrics?key=in-the-query', { authorization: 'Bearer secret-key-of-ada' });
    await get('/metrics', { 'x-api-key': 'secret-key-of-nobody' });
    expect(log()).toContain('http_request');
    expect(log()).not.toMatch(/key-of|in-the-query/);
  });
});

test('without API keys everybody is local, whatever they send', async () => {
  const callers: string[] = [];
  const { url } = await openDoor({
    operations: {
      status: (_request, { caller }) => {
        callers.push(caller);
        return Promise.resolve(FLEET_STATUS);
      },
    },
  });
  await fetch(`${url}/metrics`);
  await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer sk-anything' } });
  expect(callers).toEqual(['local', 'local']);
});

describe('a client that calls too often', () => {
  test('is told when to come back, and still sees that the door lives', async () => {
    const { url } = await openDoor({ limits: { burst: 3, per_second: 1 } });
    for (let i = 0; i < 3; i += 1) expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const refused = await fetch(`${url}/readyz`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({
      code: 'too_many_requests',
      retryable: true,
      retry_after: 1,
    });
    for (let i = 0; i < 10; i += 1) expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('keeps nobody else out', async () => {
    const { path } = await keysFile('ada secret-key-of-ada\nbob secret-key-of-bob');
    const { url } = await openDoor({ settings: { keys_file: path }, limits: { burst: 2, per_second: 1 } });
    const as = async (key: string) =>
      (await fetch(`${url}/metrics`, { headers: { 'x-api-key': key } })).status;
    expect([
      await as('secret-key-of-ada'),
      await as('secret-key-of-ada'),
      await as('secret-key-of-ada'),
    ]).toEqual([200, 200, 429]);
    expect(await as('secret-key-of-bob')).toBe(200);
  });

  test('cannot guess keys any faster', async () => {
    const { path } = await keysFile('ada secret-key-of-ada');
    const { url } = await openDoor({ settings: { keys_file: path }, limits: { burst: 2, per_second: 1 } });
    const as = async (key: string) =>
      (await fetch(`${url}/metrics`, { headers: { 'x-api-key': key } })).status;
    expect([await as('guess-1'), await as('guess-2'), await as('guess-3')]).toEqual([401, 401, 429]);
    expect(await as('secret-key-of-ada')).toBe(200);
  });
});

test('a client that waits for too much at a time is told to come back, and others are not', async () => {
  const { path } = await keysFile('ada secret-key-of-ada\nbob secret-key-of-bob');
  const waiting: (() => void)[] = [];
  const { url } = await openDoor({
    settings: { keys_file: path },
    limits: { in_flight: 2 },
    operations: {
      get: () =>
        new Promise((_resolve, reject) => {
          waiting.push(() => {
            reject(new CcliError('task_unknown'));
          });
        }),
    },
  });
  const as = (key: string) => fetch(`${url}/api/tasks/t1?wait=60`, { headers: { 'x-api-key': key } });
  const first = [as('secret-key-of-ada'), as('secret-key-of-ada')];
  await waitFor(() => waiting.length === 2);
  const refused = await as('secret-key-of-ada');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('1');
  first.push(as('secret-key-of-bob'));
  await waitFor(() => waiting.length === 3);
  for (const end of waiting) end();
  expect((await Promise.all(first)).map(({ status }) => status)).toEqual([404, 404, 404]);
  expect((await fetch(`${url}/metrics`, { headers: { 'x-api-key': 'secret-key-of-ada' } })).status).toBe(200);
});
