import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { jetstreamManager } from '@nats-io/jetstream';
import type { EventSourceMessage } from 'eventsource-parser';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TaskStreamEvent } from '../../../../protocol/stream.ts';
import type { TestFleet } from '../../../support/fleet.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { script, testApi } from '../support/api.ts';
import { readEvents, textOf } from '../support/sse-reader.ts';

const gateFile = async (): Promise<string> => join(await temporaryDirectory(), 'open');

const told = (messages: readonly EventSourceMessage[]): TaskStreamEvent[] =>
  messages.map(({ data }) => JSON.parse(data) as TaskStreamEvent);

const resultOf = (messages: readonly EventSourceMessage[]): unknown => {
  const last = told(messages).at(-1);
  return last?.event === 'result' ? last.task.response : last;
};

/** Of the stream that all answers go through. */
async function consumers({ connection }: TestFleet): Promise<number> {
  const manager = await jetstreamManager(connection);
  return (await manager.streams.info('CCLI_OUTPUT')).state.consumer_count;
}

describe('GET /api/tasks/{id}/events', () => {
  test('tells states, the answer as it comes, and the result, and then ends', async () => {
    const api = await testApi();
    const gate = await gateFile();
    await api.post('/api/tasks', { task_id: 'a', prompt: script({ before: 'żółw ', gate, say: '🐢\r\n' }) });
    const reader = await readEvents(`${api.url}/api/tasks/a/events`);
    const before = await reader.until('chunk');
    expect(before[0]).toMatchObject({ event: 'state' });
    expect(textOf(before)).toBe('żółw ');
    await writeFile(gate, '');
    const messages = [...before, ...(await reader.rest())];
    expect(textOf(messages)).toBe('żółw 🐢\r\n');
    expect(messages.at(-1)?.event).toBe('result');
    for (const [index, event] of told(messages).entries()) {
      expect(messages[index]?.event).toBe(event.event);
      if (event.event === 'closed') throw new Error('the stream was closed before its result');
      expect(messages[index]?.id).toBe(event.event === 'result' ? 'end' : event.position);
    }
    expect(await api.get('/api/tasks/a')).toMatchObject({ body: { response: resultOf(messages) } });
  });

  test('sends a browser away for good that comes back after the result', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'a', prompt: 'done', wait: true });
    const again = await fetch(`${api.url}/api/tasks/a/events`, { headers: { 'last-event-id': 'end' } });
    expect(again.status).toBe(204);
  });

  test('tells a late reader the whole answer of a task that has ended', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'a', prompt: 'late', wait: true });
    const reader = await readEvents(`${api.url}/api/tasks/a/events`);
    expect(resultOf(await reader.rest())).toBe('echo: late');
  });

  test('goes on after the last event seen, with every chunk exactly once', async () => {
    const api = await testApi();
    const gate = await gateFile();
    const prompt = script({ before: 'one two ', gate, say: 'three ', repeat: 50 });
    await api.post('/api/tasks', { task_id: 'a', prompt });
    const first = await readEvents(`${api.url}/api/tasks/a/events`);
    const seen = await first.until('chunk');
    first.hangUp();
    const last = seen.at(-1)?.id ?? '';
    await writeFile(gate, '');
    // What the header says comes before what the address says: a browser cannot change its address.
    const again = await readEvents(`${api.url}/api/tasks/a/events?after=1.0`, { 'last-event-id': last });
    seen.push(...(await again.rest()));
    const numbers = told(seen).flatMap(event => (event.event === 'chunk' ? [event.n] : []));
    expect(numbers).toEqual(numbers.map((_n, index) => index));
    expect(textOf(seen)).toBe(`one two ${'three '.repeat(50)}`);
    const asked = await readEvents(`${api.url}/api/tasks/a/events?after=${last}`);
    expect(textOf(await asked.rest())).toBe('three '.repeat(50));
  });

  test('refuses a place that is none, and takes an empty one as the beginning', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'a', prompt: 'x', wait: true });
    const address = '/api/tasks/a/events';
    for (const place of ['1', '1.', '01.2', '-1.2', '1.2.3', '1.99999999999', 'ab', '1 .2']) {
      expect([place, (await api.get(address, { 'Last-Event-ID': place })).status]).toEqual([place, 400]);
      const query = `?after=${encodeURIComponent(place)}`;
      expect([place, (await api.get(`${address}${query}`)).status]).toEqual([place, 400]);
    }
    expect((await api.get(`${address}?since=1.2`)).status).toBe(400);
    const reader = await readEvents(`${api.url}${address}`, { 'Last-Event-ID': '' });
    expect(resultOf(await reader.rest())).toBe('echo: x');
  });

  test('answers HEAD for a task there is, without a stream', async () => {
    const api = await testApi({ streams: 1 });
    await api.post('/api/tasks', { task_id: 'a', prompt: script({ hang: true }) });
    for (let round = 0; round < 3; round += 1) {
      const head = await fetch(`${api.url}/api/tasks/a/events`, { method: 'HEAD' });
      expect(head.headers.get('content-type')).toBe('text/event-stream');
    }
    expect((await fetch(`${api.url}/api/tasks/b/events`, { method: 'HEAD' })).status).toBe(404);
    expect((await readEvents(`${api.url}/api/tasks/a/events`)).response.status).toBe(200);
  });

  test('costs one consumer for a thousand readers, who all get the whole', async () => {
    const readers_wanted = 1_000;
    const api = await testApi({ streams: 2_000, burst: 4_000 });
    const gate = await gateFile();
    const prompt = script({ before: 'first ', gate, say: 'and more ', repeat: 20 });
    await api.post('/api/tasks', { task_id: 'a', prompt });
    const one = await readEvents(`${api.url}/api/tasks/a/events`);
    const seen_by_one = await one.until('chunk');
    expect(await consumers(api.fleet)).toBe(1);
    const readers = await Promise.all(
      Array.from({ length: readers_wanted }, async () => {
        const reader = await readEvents(`${api.url}/api/tasks/a/events`);
        return { reader, seen: await reader.until('chunk') };
      }),
    );
    expect(await consumers(api.fleet)).toBe(1);
    await writeFile(gate, '');
    const whole = `first ${'and more '.repeat(20)}`;
    for (const { reader, seen } of [...readers, { reader: one, seen: seen_by_one }]) {
      const all = [...seen, ...(await reader.rest())];
      expect(textOf(all)).toBe(whole);
      expect(resultOf(all)).toBe((await api.get('/api/tasks/a')).body['response']);
    }
    await waitFor(async () => (await consumers(api.fleet)) === 0);
  });

  test('drops a reader who does not keep up, with a notice, and slows nobody else', async () => {
    const api = await testApi({}, undefined, { max_output: '64MiB' });
    const gate = await gateFile();
    const line = 'x'.repeat(64 * 1024);
    await api.post('/api/tasks', {
      task_id: 'a',
      prompt: script({ before: 'begun', gate, say: line, repeat: 400 }),
      wait: 0.01,
    });
    const fast = await readEvents(`${api.url}/api/tasks/a/events`);
    const { hostname, port, host } = new URL(api.url);
    const slow = connect(Number(port), hostname);
    onTestFinished(() => {
      slow.destroy();
    });
    slow.write(`GET /api/tasks/a/events HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    await once(slow, 'readable');
    const seen = await fast.until('chunk');
    await writeFile(gate, '');
    const all = [...seen, ...(await fast.rest())];
    expect(textOf(all)).toHaveLength('begun'.length + 400 * line.length);
    expect(all.at(-1)?.event).toBe('result');
    const late = await text(slow);
    expect(late).toContain('event: closed');
    expect(late).toContain('slow_reader');
    expect(late).not.toContain('event: result');
  });

  test('goes on through a restart of NATS, and ends with the whole answer', async () => {
    const api = await testApi({}, undefined, { max_output: '64MiB' });
    const gate = await gateFile();
    const line = 'y'.repeat(64 * 1024);
    const prompt = script({ before: 'one ', gate, say: line, repeat: 10 });
    await api.post('/api/tasks', { task_id: 'a', prompt });
    const reader = await readEvents(`${api.url}/api/tasks/a/events`);
    const seen = await reader.until('chunk');
    await api.fleet.nats.kill();
    await writeFile(gate, '');
    await api.fleet.nats.restart();
    const all = [...seen, ...(await reader.rest())];
    const whole = `one ${line.repeat(10)}`;
    expect(all.map(({ event }) => event).filter(event => event === 'result' || event === 'closed')).toEqual([
      'result',
    ]);
    expect(resultOf(all) === whole).toBe(true);
    expect(textOf(all) === whole).toBe(true);
  });

  test('tells its readers when the coordinator stops', async () => {
    const api = await testApi();
    await api.post('/api/tasks', { task_id: 'a', prompt: script({ hang: true }) });
    const reader = await readEvents(`${api.url}/api/tasks/a/events`);
    await reader.next();
    await api.fleet.coordinator.stop();
    const messages = told(await reader.rest());
    expect(messages.at(-1)).toMatchObject({ event: 'closed', error: { code: 'shutting_down' } });
    expect(messages.filter(({ event }) => event === 'closed')).toHaveLength(1);
  });
});
