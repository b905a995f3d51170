import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scriptedAgent } from '../../../support/fleet.ts';
import { mixedFleet, requirements } from '../../../support/part-agents.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { testApi } from '../support/api.ts';

describe('/api/nodes', () => {
  test('lists the nodes, and shows one', async () => {
    const api = await testApi();
    const { body } = await api.get('/api/nodes');
    expect(body).toMatchObject({ nodes: [{ node: 'walnut', alive: true, agents: 1 }] });
    expect((await api.get('/api/nodes/walnut')).body).toMatchObject({ node: 'walnut', agents: 1 });
    expect(await api.get('/api/nodes/ironwood')).toMatchObject({
      status: 404,
      body: { code: 'node_unknown' },
    });
    expect((await api.get('/api/nodes/a%2Fb')).status).toBe(400);
  });

  test('drains a node, and lets it take work again, by either road', async () => {
    const api = await testApi();
    const draining = async (): Promise<unknown> => (await api.get('/api/nodes/walnut')).body['draining'];
    for (const back of [['/resume'], ['/drain', { drain: false }]] as const) {
      expect(await api.post('/api/nodes/walnut/drain')).toMatchObject({
        status: 200,
        body: { node: 'walnut' },
      });
      await waitFor(async () => (await draining()) === true);
      expect((await api.post(`/api/nodes/walnut${back[0]}`, back[1])).status).toBe(200);
      await waitFor(async () => (await draining()) === false);
    }
    expect((await api.post('/api/nodes/ironwood/drain')).body).toMatchObject({ code: 'node_unknown' });
    expect((await api.post('/api/nodes/walnut/drain', { drain: 'yes' })).status).toBe(400);
    expect((await api.post('/api/nodes/walnut/drain', { drian: true })).status).toBe(400);
  });
});

describe('POST /api/coordinate', () => {
  test('asks several agents and answers with what each said', async () => {
    const agents = ['walnut-a', 'walnut-b'];
    const api = await testApi(
      {},
      agents.map(id => scriptedAgent(id)),
    );
    const { status, body } = await api.post('/api/coordinate', { prompt: 'hello', agents, strategy: 'all' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'completed',
      parts: [{ status: 'completed' }, { status: 'completed' }],
    });
    expect((await api.get(`/api/tasks?group=${String(body['coordination_id'])}`)).body['tasks']).toHaveLength(
      2,
    );
  });

  test('only stops waiting when the caller hangs up', async () => {
    const fleet = await mixedFleet({ http: { enabled: true } });
    const url = fleet.coordinator.http_url ?? '';
    const gate = join(await temporaryDirectory(), 'open');
    const caller = new AbortController();
    const request = fetch(`${url}/api/coordinate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        coordination_id: 'c',
        prompt: requirements({ 'walnut-general': { say: 'still here', gate } }),
        agents: ['walnut-general'],
        strategy: 'all',
      }),
      signal: caller.signal,
    });
    const part = await waitFor(async () => {
      const { tasks } = await fleet.call('list', { group: 'c', status: 'running' });
      return tasks[0]?.task_id;
    });
    caller.abort();
    await expect(request).rejects.toThrow();
    await writeFile(gate, '');
    expect(await fleet.reaches(part, 'completed')).toMatchObject({ response: 'still here' });
  });

  test('refuses what it cannot read', async () => {
    const api = await testApi();
    for (const body of ['{}', '{"prompt": "x", "strategy": "vote"}', '{"prompt": "x", "n": 3}', '[]']) {
      expect([body, (await api.post('/api/coordinate', body)).status]).toEqual([body, 400]);
    }
  });
});

describe('GET /api/status', () => {
  test('tells of the fleet in numbers', async () => {
    const api = await testApi();
    expect((await api.get('/api/status')).body).toMatchObject({
      role: 'leader',
      nodes: { alive: 1, lost: 0 },
      agents: { available: 1, total: 1 },
    });
  });
});
