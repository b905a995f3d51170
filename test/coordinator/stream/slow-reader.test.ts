import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';
import { scriptedFleet } from './support/scripted.ts';

let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});

const PIECE = 'x'.repeat(60_000);
/** More than is kept for those who are behind. */
const PIECES = 200;
const CALLER = 'tester';

describe('a reader who is slow', () => {
  test('is dropped with a notice, while another one is told everything', async () => {
    const fleet = await scriptedFleet(nats.url);
    const task = await fleet.submit();
    const { signal } = new AbortController();
    const slow = fleet.streams
      .task({ task_id: task.task_id }, { caller: CALLER, signal })
      [Symbol.asyncIterator]();
    const first = await slow.next();
    expect(first.value).toMatchObject({ event: 'state', position: '0.0' });
    const fast = fleet.follow(task.task_id);
    await fast.until(event => event.event === 'state');
    task.start();
    for (let n = 0; n < PIECES; n += 1) task.chunk(1, n, PIECE);
    await fast.until(event => event.event === 'chunk' && event.n === PIECES - 1);
    expect(fast.events.filter(event => event.event === 'gap')).toEqual([]);
    expect(await slow.next()).toMatchObject({
      value: { event: 'closed', error: { code: 'slow_reader', retryable: true } },
    });
    expect(await slow.next()).toMatchObject({ done: true });
    expect(fleet.streams.counts.readers).toBe(1);
    // Coming back, it is told what it has missed.
    const back = fleet.follow(task.task_id, '0.0');
    await back.until(event => event.event === 'gap');
    task.complete(PIECE.repeat(PIECES));
    const chunks = (await back.ended).filter(event => event.event === 'chunk').length;
    const [gap] = back.events.filter(event => event.event === 'gap');
    expect(gap?.missing).toBe(PIECES - chunks);
    expect((await fast.ended).at(-1)?.event).toBe('result');
  });

  test('is given all of a long answer at its own pace when it is the only one', async () => {
    const fleet = await scriptedFleet(nats.url);
    const task = await fleet.submit();
    task.start();
    for (let n = 0; n < PIECES; n += 1) task.chunk(1, n, PIECE);
    await waitFor(
      async () => (await fleet.manager.streams.info(fleet.outputStream)).state.messages === PIECES,
    );
    task.complete(PIECE.repeat(PIECES));
    const { signal } = new AbortController();
    let chunks = 0;
    for await (const event of fleet.streams.task({ task_id: task.task_id }, { caller: CALLER, signal })) {
      expect(event.event).not.toMatch('gap|closed');
      if (event.event === 'chunk') chunks += 1;
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(chunks).toBe(PIECES);
  });
});
