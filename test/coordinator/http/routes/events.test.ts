import type { EventSourceMessage } from 'eventsource-parser';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../../support/wait.ts';
import { testApi } from '../support/api.ts';
import { readEvents, type SseReader } from '../support/sse-reader.ts';

const of = ({ data }: EventSourceMessage): Record<string, unknown> =>
  JSON.parse(data) as Record<string, unknown>;

/** Until a task is told to have completed. */
async function untilCompleted(reader: SseReader, task_id: string): Promise<EventSourceMessage[]> {
  const seen: EventSourceMessage[] = [];
  for (;;) {
    const message = await reader.next();
    if (message === undefined) throw new Error('the stream ended');
    seen.push(message);
    const { status, task_id: id } = of(message);
    if (status === 'completed' && id === task_id) return seen;
  }
}

describe('GET /api/events', () => {
  test('tells what happens, each kind under its name, and goes on where a reader left', async () => {
    const api = await testApi();
    const reader = await readEvents(`${api.url}/api/events`);
    await api.post('/api/tasks', { task_id: 'a', prompt: 'x', wait: true });
    const first = await untilCompleted(reader, 'a');
    for (const message of first) expect(message.event).toBe(of(message)['kind']);
    expect(new Set(first.map(({ event }) => event))).toContain('placement');
    const ids = first.map(({ id }) => Number(id));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    reader.hangUp();

    await api.post('/api/tasks', { task_id: 'b', prompt: 'x', wait: true });
    const again = await readEvents(`${api.url}/api/events`, { 'Last-Event-ID': String(ids.at(-1)) });
    const more = await untilCompleted(again, 'b');
    expect(Number(more[0]?.id)).toBe(Number(ids.at(-1)) + 1);
    expect(more.map(({ id }) => Number(id))).toEqual(more.map((_m, index) => Number(more[0]?.id) + index));
  });

  test('tells only the kinds asked for', async () => {
    const api = await testApi();
    const tasks = await readEvents(`${api.url}/api/events?kind=task,node&after=0`);
    await api.post('/api/tasks', { task_id: 'a', prompt: 'x', wait: true });
    const kinds = new Set((await untilCompleted(tasks, 'a')).map(({ event }) => event));
    expect(kinds).toEqual(new Set(['node', 'task']));
  });

  test('refuses what it does not know', async () => {
    const api = await testApi();
    for (const query of ['kind=weather', 'kind=', 'after=-1', 'after=x', 'after=1.5', 'since=1']) {
      expect([query, (await api.get(`/api/events?${query}`)).status]).toEqual([query, 400]);
    }
    expect((await api.get('/api/events', { 'Last-Event-ID': '1.2' })).status).toBe(400);
  });

  test('gives its place back when the reader goes, however quiet the fleet is', async () => {
    const api = await testApi({ streams: 1 });
    const reader = await readEvents(`${api.url}/api/events?kind=agent`);
    expect(reader.response.status).toBe(200);
    expect((await api.get('/api/events')).status).toBe(429);
    reader.hangUp();
    await waitFor(async () => {
      const again = await readEvents(`${api.url}/api/events?kind=agent`);
      again.hangUp();
      return again.response.status === 200;
    });
  });

  test('tells its readers when the coordinator stops', async () => {
    const api = await testApi();
    const reader = await readEvents(`${api.url}/api/events?kind=agent`);
    await api.fleet.coordinator.stop();
    expect(await reader.rest()).toMatchObject([{ event: 'closed' }]);
  });
});
