/** What every answer has, whoever gives it. */
import { describe, expect, test } from 'vitest';
import { FLEET_STATUS } from '../../../support/fleet-status.ts';
import { openDoor } from '../support/open-door.ts';
import { rawClient } from '../support/raw-client.ts';

describe('a request id', () => {
  test('is the one the client gave, if it is sane', async () => {
    const { url, logged } = await openDoor();
    const response = await fetch(`${url}/healthz`, { headers: { 'x-request-id': 'trace-1.a:b_c' } });
    expect(response.headers.get('x-request-id')).toBe('trace-1.a:b_c');
    expect(logged('http_request')).toMatchObject([{ request_id: 'trace-1.a:b_c' }]);
  });

  test.each(['with space', 'x'.repeat(129), '<script>', 'a"b', 'é'])(
    'is made here otherwise: %s',
    async given => {
      const { url } = await openDoor();
      const response = await fetch(`${url}/healthz`, { headers: { 'x-request-id': given } });
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  test('stands in the problem and in the log of what went wrong inside, with what the client is not told', async () => {
    const { url, logged } = await openDoor({
      operations: { agents: () => Promise.reject(new TypeError('the secret reason')) },
    });
    const response = await fetch(`${url}/api/agents`, { headers: { 'x-request-id': 'trace-2' } });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', request_id: 'trace-2' });
    expect(text).not.toContain('secret');
    expect(text).not.toMatch(/\.ts|node_modules/);
    const [entry] = logged('http_error');
    expect(entry).toMatchObject({ request_id: 'trace-2', error: 'the secret reason' });
    expect(entry?.['stack']).toContain('TypeError');
  });
});

describe('every answer', () => {
  test.each(['/healthz', '/nothing', '/metrics', '/v1/nothing'])(
    'keeps browsers from making more of it: %s',
    async path => {
      const { url } = await openDoor();
      const { headers } = await fetch(`${url}${path}`);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('x-powered-by')).toBeNull();
    },
  );

  test('is logged by the pattern of its route, without its query', async () => {
    const { url, logged, log } = await openDoor();
    await fetch(`${url}/healthz?prompt=very-private`);
    await fetch(`${url}/very-private`);
    expect(logged('http_request')).toMatchObject([
      { method: 'GET', route: '/healthz', status: 200, client: '127.0.0.1', caller: 'local' },
      { method: 'GET', route: '/*', status: 404 },
    ]);
    expect(log()).not.toContain('very-private');
  });

  test('has no body for HEAD', async () => {
    const { url } = await openDoor();
    const client = await rawClient(url);
    await client.send('HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(await client.closed()).toMatch(/^HTTP\/1.1 200 OK\r\n.*\r\n\r\n$/s);
  });
});

describe('an address', () => {
  test('that is not served is not found', async () => {
    const { url } = await openDoor();
    for (const path of ['/nothing', '/', '/healthz/', '/api', '/api/nothing', '/HEALTHZ']) {
      const response = await fetch(`${url}${path}`);
      expect([path, response.status]).toEqual([path, 404]);
      expect(await response.json()).toMatchObject({ code: 'not_found' });
    }
  });

  test('that takes other methods says which', async () => {
    const { url } = await openDoor();
    const response = await fetch(`${url}/healthz`, { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
    const tasks = await fetch(`${url}/api/tasks`, { method: 'PUT', body: '{}' });
    expect(tasks.status).toBe(405);
    expect(tasks.headers.get('allow')).toBe('GET, HEAD, POST');
  });

  test('tells its methods when it is asked for them', async () => {
    const { url } = await openDoor();
    const response = await fetch(`${url}/api/tasks`, { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
    expect((await fetch(`${url}/nothing`, { method: 'OPTIONS' })).status).toBe(404);
  });
});

describe('metrics', () => {
  test('count requests by the pattern of their route, and tell of the fleet', async () => {
    const { url } = await openDoor({
      operations: {
        status: () => Promise.resolve({ ...FLEET_STATUS, nodes: { alive: 3, lost: 2 } }),
      },
    });
    await fetch(`${url}/nothing/1`);
    await fetch(`${url}/nothing/2`);
    const client = await rawClient(url);
    await client.send('PURGE /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await client.closed();
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const lines = (await response.text()).split('\n');
    expect(lines).toContain('ccli_http_requests_total{method="GET",route="unmatched",status="404"} 2');
    expect(lines).toContain('ccli_http_requests_total{method="other",route="unmatched",status="405"} 1');
    expect(lines).toContain('ccli_http_requests_in_flight 1');
    expect(lines).toContain('ccli_nodes{state="alive"} 3');
    expect(lines).toContain('ccli_nodes{state="lost"} 2');
    expect(lines).toContain('ccli_tasks{status="queued"} 0');
    expect(lines).toContain('ccli_leader 1');
    expect(lines).toContain('ccli_fleet_known 1');
    expect(lines.some(line => line.startsWith('process_cpu_seconds_total '))).toBe(true);
  });

  test('are named as Prometheus wants it', async () => {
    const { url } = await openDoor();
    await fetch(`${url}/healthz`);
    const text = await (await fetch(`${url}/metrics`)).text();
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({
      name,
      type,
    }));
    expect(types.length).toBeGreaterThan(20);
    expect(new Set(types.map(({ name }) => name)).size).toBe(types.length);
    for (const { name, type } of types) {
      expect(name).toMatch(/^(ccli|process|nodejs)_[a-z0-9_]+$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(ms|milliseconds|count|sum|bucket)$/);
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
    }
  });

  test('are told also when the fleet cannot be asked', async () => {
    const { url } = await openDoor({ operations: { status: () => Promise.reject(new Error('no')) } });
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toContain('ccli_fleet_known 0');
    expect(text).not.toContain('ccli_nodes');
  });
});

test('readiness says why a coordinator cannot serve', async () => {
  let why: string | undefined = 'No coordinator leads this fleet yet.';
  const { url } = await openDoor({ unready: () => why });
  const response = await fetch(`${url}/readyz`);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('2');
  expect(await response.json()).toMatchObject({ detail: why, retryable: true });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  why = undefined;
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
});
