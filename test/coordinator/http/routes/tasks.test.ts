import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { scriptedAgent, testFleet } from '../../../support/fleet.ts';
import { startGeminiStub } from '../../../support/gemini-stub.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { script, testApi } from '../support/api.ts';

const gateFile = async (): Promise<string> => join(await temporaryDirectory(), 'open');
const open = (gate: string): Promise<void> => writeFile(gate, '');

const WRONG_BODIES: readonly (readonly [what: string, body: string])[] = [
  ['an empty object', '{}'],
  ['no JSON', '{"prompt": '],
  ['an array', '[]'],
  ['a prompt that is no text', '{"prompt": 5}'],
  ['an empty prompt', '{"prompt": " \\n "}'],
  ['a prompt with a NUL', '{"prompt": "a\\u0000b"}'],
  ['an unknown field', '{"prompt": "x", "promt": "y"}'],
  ['an unknown agent type', '{"prompt": "x", "agent_type": "cli_parrot"}'],
  ['both timeouts', '{"prompt": "x", "timeout_s": 1, "timeout_ms": 1000}'],
  ['a negative timeout', '{"prompt": "x", "timeout_s": -1}'],
  ['an endless wait', '{"prompt": "x", "wait": 1e9}'],
  ['a wait in words', '{"prompt": "x", "wait": "long"}'],
  ['a strange id', '{"prompt": "x", "task_id": "../../etc"}'],
  ['an id of a field of ours', '{"prompt": "x", "coordination": "y"}'],
  ['null', 'null'],
];

const WRONG_QUERIES = [
  'status=done',
  'status=',
  'limit=0',
  'limit=501',
  'limit=many',
  'limit=2.5',
  'cursor=%F0%9F%90%A2',
  'cursor=-1e400x',
  'stauts=failed',
  'group=a%20b',
];

describe('POST /api/tasks', () => {
  test('takes the curl of the manual as it stands, and a real gemini answers', async () => {
    const stub = await startGeminiStub();
    onTestFinished(() => stub.close());
    stub.answer(() => 'done');
    const fleet = await testFleet({ http: { enabled: true } });
    const agent = { id: 'walnut-gemini', agent_type: 'cli_gemini', env: stub.environment };
    await fleet.startNode({ agents: [{ ...agent, model: 'gemini-2.5-pro' }] });
    await fleet.agentReady('walnut-gemini');
    const body = '{"agent_type": "cli_gemini", "prompt": "Test task 1"}';
    const address = `${fleet.coordinator.http_url ?? ''}/api/tasks`;
    const { stdout } = await promisify(execFile)('curl', [
      ...['-s', '-X', 'POST', address, '-H', 'Content-Type: application/json', '-d', body],
    ]);
    const { task_id } = JSON.parse(stdout) as { task_id: string };
    expect(await fleet.reaches(task_id, 'completed')).toMatchObject({
      response: 'done',
      options: { agent_type: 'cli_gemini' },
    });
  });

  test('answers at once with the task and where it is to be seen', async () => {
    const api = await testApi();
    const { status, headers, body } = await api.post('/api/tasks', { prompt: 'hello', timeout_s: 1.5 });
    expect(status).toBe(202);
    expect(body).toMatchObject({ caller: 'local', prompt_bytes: 5, options: { timeout_ms: 1_500 } });
    const location = headers.get('location') ?? '';
    expect(location).toBe(`/api/tasks/${String(body['task_id'])}`);
    expect((await api.get(`${location}?wait=60`)).body).toMatchObject({
      status: 'completed',
      response: 'echo: hello',
    });
  });

  test('with wait answers with the result', async () => {
    const api = await testApi();
    const { status, body } = await api.post('/api/tasks', { prompt: 'żółw 🐢', wait: true });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'completed',
      response: 'echo: żółw 🐢',
      agent_id: 'walnut-echo',
      attempts: [{ attempt: 1 }],
    });
    expect(Number(body['execution_time']) * 1000).toBeCloseTo(Number(body['execution_time_ms']));
  });

  test('carries prompts and answers that fit no message', async () => {
    const api = await testApi();
    const prompt = 'ä'.repeat(600_000);
    const { status, body } = await api.post('/api/tasks', { prompt, wait: 60 });
    expect(status).toBe(200);
    expect(body['response']).toBe(`echo: ${prompt}`);
    expect(body).not.toHaveProperty('response_ref');
  });

  test('answers with the task as it stands when the wait is over before it', async () => {
    const api = await testApi();
    const gate = await gateFile();
    const prompt = script({ gate, say: 'late' });
    const { status, headers, body } = await api.post('/api/tasks', { prompt, wait: 0.05 });
    expect(status).toBe(202);
    expect(body).not.toHaveProperty('response');
    await open(gate);
    expect((await api.get(`${headers.get('location') ?? ''}?wait=60`)).body).toMatchObject({
      response: 'late',
    });
  });

  test('tells of a task that failed while it was waited for as a problem that names it', async () => {
    const api = await testApi();
    const { status, headers, body } = await api.post('/api/tasks', {
      prompt: script({ exit: 7, stderr: 'no luck' }),
      max_attempts: 1,
      wait: true,
    });
    expect(status).toBe(502);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toMatchObject({
      type: 'urn:ccli:error:cli_crashed',
      code: 'cli_crashed',
      status: 502,
      task_status: 'failed',
      attempts: [{ attempt: 1, agent_id: 'walnut-echo' }],
    });
    expect(headers.get('location')).toBe(`/api/tasks/${String(body['task_id'])}`);
  });

  test('tells of a task that was cancelled while it was waited for', async () => {
    const api = await testApi();
    const waited = api.post('/api/tasks', { task_id: 'c1', prompt: script({ hang: true }), wait: true });
    await waitFor(async () => (await api.get('/api/tasks/c1')).body['status'] === 'running');
    expect((await api.post('/api/tasks/c1/cancel')).body).toMatchObject({ status: 'cancelled' });
    expect(await waited).toMatchObject({
      status: 409,
      body: { code: 'cancelled', task_id: 'c1', task_status: 'cancelled' },
    });
  });

  test('goes on with the task when the caller who waits hangs up', async () => {
    const api = await testApi();
    const gate = await gateFile();
    const caller = new AbortController();
    const waited = fetch(`${api.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ task_id: 'w1', prompt: script({ gate, say: 'still here' }), wait: true }),
      signal: caller.signal,
    });
    await api.fleet.reaches('w1', 'running');
    caller.abort();
    await expect(waited).rejects.toThrow();
    await open(gate);
    expect(await api.fleet.reaches('w1', 'completed')).toMatchObject({ response: 'still here' });
  });

  test('makes one task of a request sent twice, by field or by header', async () => {
    const api = await testApi();
    const request = { prompt: 'once' };
    const first = await api.post('/api/tasks', { ...request, idempotency_key: 'k' });
    const again = await api.post('/api/tasks', request, { 'Idempotency-Key': 'k' });
    const both = await api.post(
      '/api/tasks',
      { ...request, idempotency_key: 'k' },
      { 'idempotency-key': 'k' },
    );
    expect([again.status, both.status]).toEqual([202, 202]);
    expect([again.body['task_id'], both.body['task_id']]).toEqual([
      first.body['task_id'],
      first.body['task_id'],
    ]);
    expect(await api.post('/api/tasks', { prompt: 'other' }, { 'Idempotency-Key': 'k' })).toMatchObject({
      status: 409,
      body: { code: 'idempotency_conflict' },
    });
    expect(
      await api.post('/api/tasks', { ...request, idempotency_key: 'k' }, { 'Idempotency-Key': 'l' }),
    ).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect((await api.get('/api/tasks')).body['tasks']).toHaveLength(1);
  });

  test('refuses whatever does not fit, and accepts nothing of it', async () => {
    const api = await testApi();
    for (const [what, body] of WRONG_BODIES) {
      const { status, headers, body: problem } = await api.post('/api/tasks', body);
      expect({ what, status }).toEqual({ what, status: 400 });
      expect(headers.get('content-type')).toBe('application/problem+json');
      expect(problem).toMatchObject({ status: 400, retryable: false });
    }
    expect((await api.get('/api/tasks')).body['tasks']).toEqual([]);
  });

  test('refuses what says it is no JSON, and what is too large', async () => {
    const api = await testApi({ body: 1024 });
    expect(await api.post('/api/tasks', '{"prompt": "x"}', { 'content-type': 'text/plain' })).toMatchObject({
      status: 415,
      body: { code: 'unsupported_media_type' },
    });
    expect(await api.post('/api/tasks', { prompt: 'x'.repeat(2048) })).toMatchObject({
      status: 413,
      body: { code: 'message_too_large' },
    });
  });

  test('refuses what no agent can do, and says so', async () => {
    const api = await testApi();
    expect(await api.post('/api/tasks', { prompt: 'x', agent_id: 'nobody' })).toMatchObject({
      status: 404,
      body: { code: 'agent_unknown' },
    });
  });
});

describe('GET /api/tasks', () => {
  test('filters, and pages through all of them once with cursor or link', async () => {
    const api = await testApi({}, [scriptedAgent('walnut-echo'), scriptedAgent('walnut-other')]);
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const agent_id = name === 'a' ? 'walnut-other' : 'walnut-echo';
      await api.post('/api/tasks', { task_id: name, prompt: name, agent_id, group: 'g', wait: true });
    }
    await api.post('/api/tasks', { task_id: 'f', prompt: script({ exit: 3 }), max_attempts: 1, wait: true });
    const ids = (body: Record<string, unknown>): string[] =>
      (body['tasks'] as { task_id: string }[]).map(({ task_id }) => task_id);
    const list = async (query: string): Promise<string[]> => ids((await api.get(`/api/tasks?${query}`)).body);

    expect(await list('')).toEqual(['f', 'e', 'd', 'c', 'b', 'a']);
    expect(await list('status=failed')).toEqual(['f']);
    expect(await list('status=failed,completed&limit=2')).toEqual(['f', 'e']);
    expect(await list('status=failed&status=completed&limit=2')).toEqual(['f', 'e']);
    expect(await list('agent_id=walnut-other')).toEqual(['a']);
    expect(await list('node=walnut&group=g')).toHaveLength(5);
    expect(await list('caller=nobody')).toEqual([]);

    const seen: string[] = [];
    let link: string | undefined = '/api/tasks?group=g&limit=2';
    while (link !== undefined) {
      const page = await api.get(link);
      seen.push(...ids(page.body));
      link = /^<([^>]+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
      expect(page.body['next_cursor'] !== undefined).toBe(link !== undefined);
    }
    expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  test('pages through every task that was there at the start once, while others are added', async () => {
    const api = await testApi();
    const add = (task_id: string) => api.post('/api/tasks', { task_id, prompt: script({ hang: true }) });
    const old = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const task_id of old) await add(task_id);
    const seen: string[] = [];
    let cursor: unknown;
    do {
      const from = typeof cursor === 'string' ? `&cursor=${encodeURIComponent(cursor)}` : '';
      const { body } = await api.get(`/api/tasks?limit=2${from}`);
      seen.push(...(body['tasks'] as { task_id: string }[]).map(({ task_id }) => task_id));
      cursor = body['next_cursor'];
      for (const which of ['x', 'y', 'z']) await add(`${which}${seen.length}`);
    } while (cursor !== undefined);
    expect(seen).toEqual(old.toReversed());
  });

  test('refuses what it cannot filter by', async () => {
    const api = await testApi();
    for (const query of WRONG_QUERIES) {
      const { status, body } = await api.get(`/api/tasks?${query}`);
      expect({ query, status, code: body['code'] }).toEqual({ query, status: 400, code: 'invalid_request' });
    }
  });
});

describe('/api/tasks/{id}', () => {
  test('is 404 when unknown, and 400 when it cannot be an id', async () => {
    const api = await testApi();
    const routes = ['GET ', 'GET /response', 'GET /events', 'GET /explain', 'POST /cancel', 'POST /retry'];
    for (const route of routes) {
      const [method, path = ''] = route.split(' ');
      const call = method === 'GET' ? api.get : api.post;
      const unknown = await call(`/api/tasks/nobody${path}`);
      expect({ route, status: unknown.status }).toEqual({ route, status: 404 });
      expect(unknown.body).toMatchObject({ code: 'task_unknown' });
      const strange = await call(`/api/tasks/${encodeURIComponent('ź $')}${path}`);
      expect({ route, status: strange.status }).toEqual({ route, status: 400 });
    }
  });

  test('waits no longer than asked, and no longer than a minute', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 's1', prompt: script({ hang: true }) });
    expect((await api.get('/api/tasks/s1?wait=0.01')).status).toBe(200);
    expect((await api.get('/api/tasks/s1?wait=61')).status).toBe(400);
    expect((await api.get('/api/tasks/s1?wait=soon')).status).toBe(400);
  });

  test('gives the answer alone as text, also a long one, and not before there is one', async () => {
    const api = await testApi();
    const gate = await gateFile();
    const long = 'größer\n'.repeat(100_000);
    await api.post('/api/tasks', {
      task_id: 'r1',
      prompt: script({ gate, say: 'größer\n', repeat: 100_000 }),
    });
    expect(await api.get('/api/tasks/r1/response')).toMatchObject({
      status: 409,
      body: { code: 'task_not_finished' },
    });
    await open(gate);
    await api.fleet.reaches('r1', 'completed');
    const answer = await fetch(`${api.url}/api/tasks/r1/response`);
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const text = await answer.text();
    expect(text.trimEnd()).toBe(long.trimEnd());
    expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    const head = await fetch(`${api.url}/api/tasks/r1/response`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));

    await api.post('/api/tasks', { task_id: 'r2', prompt: 'short', wait: true });
    expect(await (await fetch(`${api.url}/api/tasks/r2/response`)).text()).toBe('echo: short');
  });

  test('gives the error instead of the answer of a task that failed', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'x1', prompt: script({ exit: 3 }), max_attempts: 1, wait: true });
    expect(await api.get('/api/tasks/x1/response')).toMatchObject({
      status: 502,
      body: { code: 'cli_crashed', task_id: 'x1', task_status: 'failed' },
    });
  });

  test('is cancelled once, and stays so', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'k1', prompt: script({ hang: true }) });
    await api.fleet.reaches('k1', 'running');
    const first = await api.post('/api/tasks/k1/cancel');
    const again = await api.post('/api/tasks/k1/cancel');
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(first.body).toMatchObject({ status: 'cancelled', stop_confirmed: true });
    expect(again.body).toEqual(first.body);
  });

  test('is retried as a new task, once for each key or id', async () => {
    const api = await testApi();
    const prompt = script({ exit: 3 });
    await api.post('/api/tasks', { task_id: 'y1', prompt, max_attempts: 1, wait: true });
    const first = await api.post('/api/tasks/y1/retry', undefined, { 'Idempotency-Key': 'again' });
    expect(first.status).toBe(202);
    expect(first.body).toMatchObject({ options: { retry_of: 'y1', max_attempts: 1 } });
    const id = String(first.body['task_id']);
    expect(first.headers.get('location')).toBe(`/api/tasks/${id}`);
    const same = await api.post('/api/tasks/y1/retry', {}, { 'Idempotency-Key': 'again' });
    expect(same.body['task_id']).toBe(id);
    const named = await api.post('/api/tasks/y1/retry', { task_id: 'y2' });
    expect(named.body['task_id']).toBe('y2');
    expect((await api.get('/api/tasks?retry_of=y1')).body['tasks']).toHaveLength(2);
    const both = await api.post('/api/tasks/y1/retry', { task_id: 'y3' }, { 'Idempotency-Key': 'again' });
    expect(both).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect((await api.post('/api/tasks/y1/retry', { id: 'y3' })).status).toBe(400);
  });

  test('is not retried before it has ended', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'z1', prompt: script({ hang: true }) });
    expect(await api.post('/api/tasks/z1/retry')).toMatchObject({
      status: 409,
      body: { code: 'task_not_finished' },
    });
  });

  test('tells why its agent was chosen', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'e1', prompt: 'x', wait: true });
    expect((await api.get('/api/tasks/e1/explain')).body).toMatchObject({
      task_id: 'e1',
      attempt: 1,
      considered: [{ agent_id: 'walnut-echo' }],
    });
    expect((await api.get('/api/tasks/e1/explain?attempt=0')).status).toBe(400);
  });
});
