import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CcliError } from '../../../protocol/errors.ts';
import type { TaskStreamEvent } from '../../../protocol/stream.ts';
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

/** What an event says, in a word or two. */
const brief = (event: TaskStreamEvent): string => {
  switch (event.event) {
    case 'state':
      return event.status;
    case 'chunk':
      return `${event.n}:${event.text}`;
    case 'restart':
      return `restart ${event.attempt}`;
    case 'gap':
      return `gap ${event.missing}`;
    case 'result':
      return `result ${event.task.response ?? event.task.status}`;
    case 'closed':
      return `closed ${event.error.code}`;
  }
};
const told = (events: readonly TaskStreamEvent[]): string[] => events.map(brief);
const positions = (events: readonly TaskStreamEvent[]): (string | undefined)[] =>
  events.map(event => ('position' in event ? event.position : undefined));

describe('the stream of a task', () => {
  test('tells each state, each chunk in order, and the whole result', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    task.start();
    task.chunk(1, 0, 'Hel');
    task.chunk(1, 1, 'lo');
    await reader.until(event => event.event === 'chunk' && event.n === 1);
    task.chunk(1, 2, '!');
    task.complete('Hello!');
    const events = await reader.ended;
    expect(told(events)).toEqual(['queued', 'running', '0:Hel', '1:lo', '2:!', 'completed', 'result Hello!']);
    expect(positions(events)).toEqual(['0.0', '0.0', '1.1', '1.2', '1.3', '1.3', '1.3']);
  });

  test('ends for all readers and leaves no consumer behind', async () => {
    const fleet = await scriptedFleet(nats.url);
    const task = await fleet.submit();
    const readers = Array.from({ length: 20 }, () => fleet.follow(task.task_id));
    for (const reader of readers) await reader.until(event => event.event === 'state');
    await waitFor(async () => (await fleet.consumers()) === 1);
    expect(fleet.streams.counts).toEqual({ tasks: 1, readers: 20 });
    task.start();
    task.chunk(1, 0, 'all');
    task.complete('all');
    for (const reader of readers)
      expect(told(await reader.ended).slice(-2)).toEqual(['completed', 'result all']);
    expect(fleet.streams.counts).toEqual({ tasks: 0, readers: 0 });
    await waitFor(async () => (await fleet.consumers()) === 0);
  });

  test('gives a late reader all that is kept, after where the task stands', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    task.start();
    for (const [n, text] of ['a', 'b', 'c'].entries()) task.chunk(1, n, text);
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'chunk' && event.n === 2);
    task.complete('abc');
    expect(told(await reader.ended)).toEqual(['running', '0:a', '1:b', '2:c', 'completed', 'result abc']);
    // Long finished by now.
    expect(told(await follow(task.task_id).ended)).toEqual(['completed', '0:a', '1:b', '2:c', 'result abc']);
  });

  test('goes on after the position of the last event seen', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    task.start();
    for (const [n, text] of ['a', 'b', 'c'].entries()) task.chunk(1, n, text);
    const first = follow(task.task_id);
    await first.until(event => event.event === 'chunk' && event.n === 1);
    const second = follow(task.task_id, '1.2');
    await second.until(event => event.event === 'chunk');
    task.complete('abc');
    expect(told(await second.ended)).toEqual(['running', '2:c', 'completed', 'result abc']);
    expect(told(await follow(task.task_id, '1.2').ended)).toEqual(['completed', '2:c', 'result abc']);
    expect(told(await follow(task.task_id, '1.3').ended)).toEqual(['completed', 'result abc']);
  });

  test.each(['1.999', '7.0', '7.3'])('gives the result to a reader who says it is at %s', async after => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    task.start();
    task.chunk(1, 0, 'a');
    const early = follow(task.task_id, after);
    await early.until(event => event.event === 'state');
    task.complete('a');
    expect(told(await early.ended)).toEqual(['running', 'completed', 'result a']);
    expect(told(await follow(task.task_id, after).ended)).toEqual(['completed', 'result a']);
  });

  test('tells how many chunks are gone, then goes on', async () => {
    const { submit, follow, manager, outputStream } = await scriptedFleet(nats.url);
    const task = await submit();
    task.start();
    for (let n = 0; n < 6; n += 1) task.chunk(1, n, String(n));
    await waitFor(async () => (await manager.streams.info(outputStream)).state.messages === 6);
    await manager.streams.purge(outputStream, { keep: 3 });
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'chunk' && event.n === 5);
    const back = follow(task.task_id, '1.2');
    const ahead = follow(task.task_id, '1.4');
    await Promise.all(
      [back, ahead].map(each => each.until(event => event.event === 'chunk' && event.n === 5)),
    );
    task.complete('012345');
    expect(told(await reader.ended)).toEqual([
      'running',
      'gap 3',
      '3:3',
      '4:4',
      '5:5',
      'completed',
      'result 012345',
    ]);
    expect(told(await back.ended).slice(0, 3)).toEqual(['running', 'gap 1', '3:3']);
    expect(told(await ahead.ended)).toEqual(['running', '4:4', '5:5', 'completed', 'result 012345']);
  });

  test('of a finished task whose chunks are gone tells a gap and the result', async () => {
    const { submit, follow, manager, outputStream } = await scriptedFleet(nats.url);
    const task = await submit();
    task.start();
    for (let n = 0; n < 3; n += 1) task.chunk(1, n, String(n));
    task.complete('012');
    await waitFor(async () => (await manager.streams.info(outputStream)).state.messages === 3);
    await manager.streams.purge(outputStream);
    const events = await follow(task.task_id).ended;
    expect(told(events)).toEqual(['completed', 'gap 1', 'result 012']);
    const resumed = events.at(-1);
    expect(resumed !== undefined && 'position' in resumed && resumed.position).toBe('1.0');
  });

  test('tells when the end of the answer is lost', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    task.start();
    task.chunk(1, 0, 'quite');
    await reader.until(event => event.event === 'chunk');
    task.complete('something else');
    expect(told(await reader.ended)).toEqual([
      'queued',
      'running',
      '0:quite',
      'completed',
      'gap 1',
      'result something else',
    ]);
  });

  test('gives what was no chunk as chunks before the result', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    task.start();
    task.chunk(1, 0, 'a');
    const long = 'x'.repeat(100_000);
    task.complete(`a${long}`);
    const events = await reader.ended;
    const chunks = events.filter(event => event.event === 'chunk');
    expect(chunks.map(({ n }) => n)).toEqual([0, 1, 2]);
    expect(chunks.map(({ text }) => text).join('')).toBe(`a${long}`);
    expect(told(events)).not.toContainEqual(expect.stringContaining('gap'));
  });

  test('tells that another attempt begins the answer anew', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    task.start();
    task.chunk(1, 0, 'wrong');
    await reader.until(event => event.event === 'chunk');
    task.start(2);
    task.chunk(2, 0, 'ri');
    task.chunk(2, 1, 'ght');
    await reader.until(event => event.event === 'chunk' && event.text === 'ght');
    const back = follow(task.task_id, '1.1');
    const new_one = follow(task.task_id, '2.1');
    for (const each of [back, new_one]) await each.until(event => event.event === 'chunk');
    task.complete('right');
    const events = await reader.ended;
    expect(told(events)).toEqual([
      'queued',
      'running',
      '0:wrong',
      'running',
      'restart 2',
      '0:ri',
      '1:ght',
      'completed',
      'result right',
    ]);
    expect(positions(events).slice(4)).toEqual(['2.0', '2.1', '2.2', '2.2', '2.2']);
    expect(told(await back.ended)).toEqual([
      'running',
      'restart 2',
      '0:ri',
      '1:ght',
      'completed',
      'result right',
    ]);
    expect(told(await new_one.ended)).toEqual(['running', '1:ght', 'completed', 'result right']);
  });

  test('has the whole of an answer that comes in slices', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    task.start();
    const response = 'ä'.repeat(2_000_000);
    task.complete(response);
    const [state, ...rest] = await follow(task.task_id).ended;
    expect(state).toMatchObject({ event: 'state', status: 'completed' });
    expect(rest).toMatchObject([{ event: 'gap' }, { event: 'result', task: { response } }]);
    expect(rest[1]).not.toHaveProperty('task.response_ref');
  });

  test('tells why a task waits, and why it failed', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    task.waitFor('The only slot is taken.');
    await reader.until(event => event.event === 'state' && event.waiting_for === 'The only slot is taken.');
    task.start();
    await reader.until(event => event.event === 'state' && event.status === 'running');
    task.fail({ code: 'cli_crashed', message: 'It broke.', retryable: true });
    const events = await reader.ended;
    expect(told(events)).toEqual(['queued', 'queued', 'running', 'failed', 'result failed']);
    expect(events[2]).toMatchObject({ attempt: 1, node: 'walnut', agent_id: 'walnut-gemini' });
    expect(events[3]).toMatchObject({ error: { code: 'cli_crashed' } });
  });

  test('works in a fleet that keeps no chunks', async () => {
    const { submit, follow } = await scriptedFleet(nats.url, { keepOutput: false });
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    task.start();
    await waitFor(() => {
      task.chunk(1, 0, 'a');
      return reader.events.some(event => event.event === 'chunk');
    });
    task.chunk(1, 1, 'b');
    await reader.until(event => event.event === 'chunk' && event.n === 1);
    task.complete('abc');
    expect(told(await reader.ended)).toEqual([
      'queued',
      'running',
      '0:a',
      '1:b',
      '2:c',
      'completed',
      'result abc',
    ]);
  });

  test('goes on when the stream of the chunks is made anew', async () => {
    const { submit, follow, manager, outputStream, consumers } = await scriptedFleet(nats.url);
    const task = await submit();
    const reader = follow(task.task_id);
    task.start();
    for (const [n, text] of ['a', 'b'].entries()) task.chunk(1, n, text);
    await reader.until(event => event.event === 'chunk' && event.n === 1);
    const { config } = await manager.streams.info(outputStream);
    await manager.streams.delete(outputStream);
    await manager.streams.add(config);
    await waitFor(async () => (await consumers()) === 1);
    // The new stream counts from 1 again.
    task.chunk(1, 2, 'c');
    await reader.until(event => event.event === 'chunk' && event.n === 2);
    task.complete('abc');
    expect(told(await reader.ended).slice(-5)).toEqual(['0:a', '1:b', '2:c', 'completed', 'result abc']);
  });

  test('ends with the reason when the task can no longer be asked for', async () => {
    let gone = false;
    const { submit, follow, streams } = await scriptedFleet(nats.url, {
      wrap: ({ get }) => ({
        get: async (request, context) => {
          const view = await get(request, context);
          if (gone) throw new CcliError('task_unknown');
          return view;
        },
      }),
    });
    const task = await submit();
    const reader = follow(task.task_id);
    await reader.until(event => event.event === 'state');
    gone = true;
    expect(told(await reader.ended)).toEqual(['queued', 'closed task_unknown']);
    expect(streams.counts).toEqual({ tasks: 0, readers: 0 });
    await expect(follow(task.task_id).ended).rejects.toMatchObject({ code: 'task_unknown' });
  });

  test('says that a task is unknown before anything else', async () => {
    const { follow } = await scriptedFleet(nats.url);
    await expect(follow('nosuch').ended).rejects.toMatchObject({ code: 'task_unknown' });
  });

  test('refuses a position that is none', async () => {
    const { submit, follow } = await scriptedFleet(nats.url);
    const task = await submit();
    await expect(follow(task.task_id, 'x').ended).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('ends without a word for a reader who has gone, and leaves nothing behind', async () => {
    const fleet = await scriptedFleet(nats.url);
    const task = await fleet.submit();
    const reader = fleet.follow(task.task_id);
    await reader.until(event => event.event === 'state');
    await waitFor(async () => (await fleet.consumers()) === 1);
    reader.leave();
    expect(told(await reader.ended)).toEqual(['queued']);
    expect(fleet.streams.counts).toEqual({ tasks: 0, readers: 0 });
    await waitFor(async () => (await fleet.consumers()) === 0);
  });

  test('can be left while it waits for the next event', async () => {
    const fleet = await scriptedFleet(nats.url);
    const task = await fleet.submit();
    const { signal } = new AbortController();
    const events = fleet.streams
      .task({ task_id: task.task_id }, { caller: 'tester', signal })
      [Symbol.asyncIterator]();
    expect(await events.next()).toMatchObject({ done: false });
    const waiting = events.next();
    await events.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(fleet.streams.counts).toEqual({ tasks: 0, readers: 0 });
  });

  test('ends with a notice when its coordinator stops, for those who come later as well', async () => {
    const fleet = await scriptedFleet(nats.url);
    const task = await fleet.submit();
    const readers = [fleet.follow(task.task_id), fleet.follow(task.task_id)];
    for (const reader of readers) await reader.until(event => event.event === 'state');
    await waitFor(async () => (await fleet.consumers()) === 1);
    await Promise.all([fleet.streams.close(), fleet.streams.close()]);
    for (const reader of readers)
      expect(told(await reader.ended)).toEqual(['queued', 'closed shutting_down']);
    expect(await fleet.consumers()).toBe(0);
    expect(told(await fleet.follow(task.task_id).ended)).toEqual(['closed shutting_down']);
  });
});
