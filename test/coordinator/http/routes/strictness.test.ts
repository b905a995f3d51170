/** What routes refuse, and what they let pass, beside what is right. */
import { expect, test } from 'vitest';
import { testApi } from '../support/api.ts';

test('a query parameter that a route does not know is refused, and names itself', async () => {
  const api = await testApi();
  for (const path of ['/api/nodes', '/api/nodes/walnut', '/api/status', '/api/registration', '/api/tasks'])
    expect(await api.get(`${path}?bogus=1`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'bogus', message: 'is not a known field' }] },
    });
  expect((await api.post('/api/nodes/walnut/resume?bogus=1')).status).toBe(400);
  expect((await api.post('/api/tasks?bogus=1', { prompt: 'hello' })).status).toBe(400);
  expect((await api.get('/api/tasks')).body).toEqual({ tasks: [] });
  expect((await api.get('/healthz?probe=1')).status).toBe(200);
});

test('a value of a query that is wrong is told as wrong, and not as missing', async () => {
  const api = await testApi();
  for (const query of ['/api/tasks?status=queued,bogus', '/api/tasks?status=', '/api/events?kind='])
    expect(await api.get(query)).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/^(status|kind): Invalid option/) as unknown },
    });
});

test('no body at all is an empty one, also where JSON is announced', async () => {
  const api = await testApi();
  const { body } = await api.post('/api/tasks', { prompt: 'hello', wait: true });
  const id = String(body['task_id']);
  const empty = (path: string) => api.post(path, '');
  expect((await empty(`/api/tasks/${id}/retry`)).status).toBe(202);
  expect((await empty(`/api/tasks/${id}/cancel`)).status).toBe(200);
  expect((await empty('/api/nodes/walnut/drain')).status).toBe(200);
  expect((await empty('/api/nodes/walnut/resume')).status).toBe(200);
  expect((await empty('/api/agents/walnut-echo/test')).status).toBe(200);
  expect(await empty('/api/tasks')).toMatchObject({
    status: 400,
    body: { detail: 'Missing required field: prompt' },
  });
});
