import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { HttpSettingsSchema } from '../../../coordinator/http/settings.ts';
import { createMcpEndpoint } from '../../../coordinator/mcp/http.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { scriptedAgent, testFleet } from '../../support/fleet.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { connectClient } from './support/clients.ts';
import { mcpFleet, placeOf } from './support/places.ts';

const ACCEPT = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'by-hand', version: '1' } },
};
const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };

const post = (body: unknown, headers: Record<string, string> = {}): Request =>
  new Request('http://127.0.0.1/mcp', {
    method: 'POST',
    headers: { ...ACCEPT, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** An endpoint without a fleet. @param known the only operations that are asked for */
function endpoint(limits: { sessions?: number; idle_ms?: number } = {}, known: object = {}) {
  const nobody = () => Promise.reject(new Error('nobody is asked'));
  const made = createMcpEndpoint({
    operations: new Proxy(known, {
      get: (_, name): unknown => Reflect.get(known, name) ?? nobody,
    }) as Parameters<typeof createMcpEndpoint>[0]['operations'],
    streams: { task: nobody, fleet: nobody } as never,
    log: createLog({ level: 'silent', name: 'test' }),
    limits,
  });
  onTestFinished(() => made.close());
  return made;
}

async function open(made: ReturnType<typeof endpoint>, caller = 'alice'): Promise<string> {
  const response = await made.handle(post(initialize), caller);
  await response.text();
  expect(response.status).toBe(200);
  return response.headers.get('mcp-session-id') ?? '';
}

test('a session belongs to the key that opened it: another one cannot tell that it exists', async () => {
  const directory = await temporaryDirectory();
  const keys_file = join(directory, 'keys');
  await writeFile(keys_file, 'alice secret-key-of-alice-0123456789\nbob secret-key-of-bob-0123456789\n', {
    mode: 0o600,
  });
  const fleet = await testFleet({ http: { enabled: true, keys_file } });
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
  await fleet.agentReady('walnut-echo');
  const url = `${String(fleet.coordinator.http_url)}/mcp`;
  const send = (body: unknown, key: string, session?: string) =>
    fetch(url, {
      method: 'POST',
      headers: {
        ...ACCEPT,
        authorization: `Bearer ${key}`,
        ...(session !== undefined && { 'mcp-session-id': session }),
      },
      body: JSON.stringify(body),
    });
  const opened = await send(initialize, 'secret-key-of-alice-0123456789');
  await opened.text();
  const session = opened.headers.get('mcp-session-id') ?? '';
  expect((await send(ping, 'secret-key-of-bob-0123456789', session)).status).toBe(404);
  expect((await send(ping, 'secret-key-of-bob-0123456789', 'none')).status).toBe(404);
  const answered = await send(ping, 'secret-key-of-alice-0123456789', session);
  expect(answered.status).toBe(200);
  expect(await answered.text()).toContain('"result":{}');
  expect((await send(ping, 'wrong', session)).status).toBe(401);

  const client = await connectClient('modern', { url, key: 'secret-key-of-bob-0123456789' });
  const ran = await client.call('run_task', { prompt: 'hello' });
  const task_id = String(ran.structuredContent?.['task_id']);
  expect(await fleet.call('get', { task_id })).toMatchObject({ caller: 'bob' });
});

test('a session ends when its client says so', async () => {
  const made = endpoint();
  const session = await open(made);
  const ended = await made.handle(
    new Request('http://127.0.0.1/mcp', { method: 'DELETE', headers: { 'mcp-session-id': session } }),
    'alice',
  );
  expect(ended.status).toBe(200);
  expect((await made.handle(post(ping, { 'mcp-session-id': session }), 'alice')).status).toBe(404);
});

test('nothing is left of a session that was ended', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const made = endpoint();
  const session = await open(made);
  expect(vi.getTimerCount()).toBe(1);
  const ended = await made.handle(
    new Request('http://127.0.0.1/mcp', { method: 'DELETE', headers: { 'mcp-session-id': session } }),
    'alice',
  );
  await ended.text();
  expect(vi.getTimerCount()).toBe(0);
});

const alive = async (made: ReturnType<typeof endpoint>, session: string, caller = 'alice') => {
  const response = await made.handle(post(ping, { 'mcp-session-id': session }), caller);
  await response.text();
  return response.status === 200;
};

test('the bound holds when many sessions are opened at the same time', async () => {
  const made = endpoint({ sessions: 3 });
  const opened = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const response = await made.handle(post(initialize), 'alice');
      await response.text();
      return response.headers.get('mcp-session-id');
    }),
  );
  let count = 0;
  for (const session of opened) if (session !== null && (await alive(made, session))) count += 1;
  expect(count).toBe(3);
});

test('a caller who opens too many sessions loses their own', async () => {
  const made = endpoint({ sessions: 3 });
  const bobs = await open(made, 'bob');
  const first = await open(made);
  await open(made);
  await open(made);
  expect(await alive(made, bobs, 'bob')).toBe(true);
  expect(await alive(made, first)).toBe(false);
});

test('a session whose call runs is in use, also when its client has hung up', async () => {
  let finish = (): void => undefined;
  let signal: AbortSignal | undefined;
  const list = (_request: unknown, context: { readonly signal: AbortSignal }) => {
    ({ signal } = context);
    return new Promise(resolve => {
      finish = () => {
        resolve({ tasks: [] });
      };
    });
  };
  const made = endpoint({ sessions: 1, idle_ms: 50 }, { list });
  const session = await open(made);
  const body = { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'list_tasks', arguments: {} } };
  const answer = await made.handle(post(body, { 'mcp-session-id': session }), 'alice');
  await waitFor(() => signal !== undefined);
  await answer.body?.cancel();
  expect((await made.handle(post(initialize), 'bob')).status).toBe(429);
  expect(signal?.aborted).toBe(false);
  finish();
  await waitFor(async () => (await made.handle(post(initialize), 'bob')).status === 200 && true);
});

test('of a batch, a cancelled request is answered as such and the others as ever', async () => {
  const list = (_request: unknown, { signal }: { readonly signal: AbortSignal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(new Error('cancelled'));
      });
    });
  const made = endpoint({}, { list });
  const session = { 'mcp-session-id': await open(made) };
  const call = { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'list_tasks', arguments: {} } };
  const answer = await made.handle(post([call, ping], session), 'alice');
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } };
  expect((await made.handle(post(cancel, session), 'alice')).status).toBe(202);
  const text = await answer.text();
  expect(text).toContain('"result":{}');
  expect(text).toContain('"code":-32800');
});

test('a session that nobody uses ends by itself', async () => {
  const made = endpoint({ idle_ms: 50 });
  const session = await open(made);
  await waitFor(
    async () => {
      const response = await made.handle(post(ping, { 'mcp-session-id': session }), 'alice');
      await response.text();
      return response.status === 404 && true;
    },
    { pause_ms: 200 },
  );
});

test('a session with an open stream is in use, and ends when the stream is left', async () => {
  const made = endpoint({ idle_ms: 50, sessions: 1 });
  const session = await open(made);
  const stream = await made.handle(
    new Request('http://127.0.0.1/mcp', {
      headers: { accept: 'text/event-stream', 'mcp-session-id': session },
    }),
    'alice',
  );
  expect(stream.status).toBe(200);
  // There is room for one session, and that one is in use.
  expect((await made.handle(post(initialize), 'bob')).status).toBe(429);
  await stream.body?.cancel();
  await waitFor(async () => (await made.handle(post(initialize), 'bob')).status === 200 && true);
});

test('the idlest session gives way when there are too many', async () => {
  const made = endpoint({ sessions: 2 });
  const first = await open(made);
  const second = await open(made);
  await open(made);
  expect((await made.handle(post(ping, { 'mcp-session-id': first }), 'alice')).status).toBe(404);
  expect((await made.handle(post(ping, { 'mcp-session-id': second }), 'alice')).status).toBe(200);
});

test('what is no request of the protocol is refused', async () => {
  const made = endpoint();
  const status = async (request: Request) => (await made.handle(request, 'alice')).status;
  expect(await status(post('{"jsonrpc":'))).toBe(400);
  expect(await status(post(ping))).toBe(400);
  expect(await status(post({ hello: 'there' }))).toBe(400);
  expect(await status(post(initialize, { 'content-type': 'text/plain' }))).toBe(415);
  expect(await status(new Request('http://127.0.0.1/mcp'))).toBe(405);
  await expect(
    made.handle(
      new Request('http://127.0.0.1/mcp?wait_s=soon', {
        method: 'POST',
        headers: ACCEPT,
        body: JSON.stringify(initialize),
      }),
      'alice',
    ),
  ).rejects.toMatchObject({ code: 'invalid_request' });
});

test('the address says how long tools wait when a call does not', async () => {
  const fleet = await mcpFleet();
  const place = placeOf(fleet, 'http');
  if (!('url' in place)) throw new Error('not over HTTP');
  for (const kind of ['modern', 'v1'] as const) {
    const client = await connectClient(kind, { url: `${place.url}?wait_s=1` });
    const begun = await client.call('run_task', { prompt: '#{"hang":true}' });
    expect(begun.structuredContent).toMatchObject({ status: 'running' });
    await client.call('cancel_task', { task_id: begun.structuredContent?.['task_id'] });
  }
});

test('who listens takes one of the streams that a client may have open', async () => {
  const { limits } = HttpSettingsSchema.parse({});
  const fleet = await testFleet({ http: { enabled: true, limits: { ...limits, streams: 1 } } });
  const client = await connectClient('modern', placeOf(fleet, 'http'));
  const leave = await client.watch('ccli://agents', () => undefined);
  const events = `${String(fleet.coordinator.http_url)}/api/events`;
  const refused = await fetch(events);
  await refused.text();
  expect(refused.status).toBe(429);
  await leave();
  await waitFor(async () => {
    const again = await fetch(events);
    await again.body?.cancel();
    return again.status === 200 && true;
  });
});
