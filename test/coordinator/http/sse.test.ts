import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CallContext } from '../../../coordinator/caller.ts';
import { CcliError, toErrorBody } from '../../../protocol/errors.ts';
import type { TaskStreamEvent } from '../../../protocol/stream.ts';
import { waitFor } from '../../support/wait.ts';
import { openDoor } from './support/open-door.ts';
import { readEvents } from './support/sse-reader.ts';

const state: TaskStreamEvent = { event: 'state', position: '0.0', task_id: 't', status: 'running' };
const chunk = (n: number, text = 'x'): TaskStreamEvent => ({
  event: 'chunk',
  position: `1.${n + 1}`,
  attempt: 1,
  n,
  text,
});

/** One stream that a test scripts: how often it was asked, and whether its reader left it. */
function scripted(events: (signal: AbortSignal) => AsyncGenerator<TaskStreamEvent, void>) {
  const seen = { opened: 0, asked: 0, left: 0 };
  const task = (_request: unknown, { signal }: CallContext): AsyncIterable<TaskStreamEvent> => {
    seen.opened += 1;
    const inner = events(signal);
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          seen.asked += 1;
          return inner.next();
        },
        return: () => {
          seen.left += 1;
          return inner.return();
        },
      }),
    };
  };
  return { seen, streams: { task } };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener('abort', () => {
        resolve();
      });
  });

async function* untilLeft(signal: AbortSignal): AsyncGenerator<TaskStreamEvent, void> {
  yield state;
  await aborted(signal);
}

/** A client that asks and never reads. */
function askOnly(url: string, path: string): Socket {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  onTestFinished(() => {
    socket.destroy();
  });
  return socket;
}

describe('an event stream', () => {
  test('has the headers of one, and each event with its name and id', async () => {
    const { streams } = scripted(async function* () {
      yield state;
      yield chunk(0, 'a\r\nb\u2028🐢');
      await Promise.resolve();
    });
    const door = await openDoor({ streams });
    const reader = await readEvents(`${door.url}/api/tasks/t/events`);
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream');
    expect(reader.response.headers.get('cache-control')).toContain('no-store');
    expect(await reader.rest()).toEqual([
      { id: '0.0', event: 'state', data: JSON.stringify(state) },
      { id: '1.1', event: 'chunk', data: JSON.stringify(chunk(0, 'a\r\nb\u2028🐢')) },
    ]);
  });

  test('is encoded once however many read it', async () => {
    let encoded = 0;
    const counted = Object.defineProperty(chunk(0), 'text', {
      enumerable: true,
      get: () => {
        encoded += 1;
        return 'x';
      },
    });
    const { streams } = scripted(async function* () {
      yield counted;
      await Promise.resolve();
    });
    const door = await openDoor({ streams });
    const readers = await Promise.all(
      Array.from({ length: 20 }, () => readEvents(`${door.url}/api/tasks/t/events`)),
    );
    for (const reader of readers) expect(await reader.rest()).toHaveLength(1);
    expect(encoded).toBe(1);
  });

  test('asks for nothing more while its reader does not read, and drops one that takes nothing', async () => {
    const text = 'x'.repeat(1024 * 1024);
    const { seen, streams } = scripted(async function* () {
      for (let n = 0; ; n += 1) {
        yield chunk(n, text);
        await Promise.resolve();
      }
    });
    const door = await openDoor({ streams, limits: { stalled: 300, streams: 1 } });
    askOnly(door.url, '/api/tasks/t/events');
    await waitFor(() => seen.left === 1, { what: 'the reader being dropped' });
    // What the kernel takes for both ends is all that it cost.
    expect(seen.asked).toBeLessThan(32);
    const again = await readEvents(`${door.url}/api/tasks/t/events`);
    expect(again.response.status).toBe(200);
  });

  test('ends for the fleet too when its reader hangs up, and leaves its place to another', async () => {
    const { seen, streams } = scripted(untilLeft);
    const door = await openDoor({ streams, limits: { streams: 1 } });
    const first = await readEvents(`${door.url}/api/tasks/t/events`);
    await first.next();
    const refused = await fetch(`${door.url}/api/tasks/t/events`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'too_many_streams' });
    first.hangUp();
    await waitFor(() => seen.left === 1, { what: 'the stream being left' });
    const second = await readEvents(`${door.url}/api/tasks/t/events`);
    expect(await second.next()).toMatchObject({ event: 'state' });
    expect(seen.opened).toBe(2);
  });

  test('leaves its place when it comes to its end, and when it is refused', async () => {
    let refuse = true;
    const { streams } = scripted(async function* () {
      await Promise.resolve();
      if (refuse) throw new CcliError('task_unknown');
      yield state;
    });
    const door = await openDoor({ streams, limits: { streams: 1 } });
    for (let round = 0; round < 3; round += 1) {
      expect((await fetch(`${door.url}/api/tasks/t/events`)).status).toBe(404);
    }
    refuse = false;
    for (let round = 0; round < 3; round += 1) {
      const reader = await readEvents(`${door.url}/api/tasks/t/events`);
      expect(await reader.rest()).toHaveLength(1);
    }
  });

  test('is not opened by HEAD', async () => {
    const { seen, streams } = scripted(untilLeft);
    const door = await openDoor({ streams });
    const fleet = await fetch(`${door.url}/api/events`, { method: 'HEAD' });
    expect([fleet.status, fleet.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(await fleet.text()).toBe('');
    expect(seen.opened).toBe(0);
  });

  test('comes to its end when the door closes', async () => {
    const closing = new AbortController();
    const { seen, streams } = scripted(async function* () {
      yield state;
      await aborted(closing.signal);
      yield { event: 'closed', error: toErrorBody(new CcliError('shutting_down')) };
    });
    const close = (): Promise<void> => {
      closing.abort();
      return Promise.resolve();
    };
    const door = await openDoor({ streams: { ...streams, close } });
    const readers = await Promise.all(
      Array.from({ length: 5 }, () => readEvents(`${door.url}/api/tasks/t/events`)),
    );
    for (const reader of readers) await reader.next();
    await door.stop();
    for (const reader of readers) {
      expect(await reader.rest()).toMatchObject([
        { event: 'closed', data: expect.stringContaining('shutting_down') as string },
      ]);
    }
    expect(seen.left).toBe(5);
    expect(door.errors).toEqual([]);
  });

  test('that nobody reads does not keep the door from closing', async () => {
    const text = 'x'.repeat(1024 * 1024);
    const { seen, streams } = scripted(async function* () {
      for (let n = 0; ; n += 1) {
        yield chunk(n, text);
        await Promise.resolve();
      }
    });
    const door = await openDoor({ streams });
    askOnly(door.url, '/api/tasks/t/events');
    await waitFor(() => seen.asked > 3, { what: 'the stream being written' });
    await door.stop();
    expect(seen.left).toBe(1);
  });
});
