import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import type { FleetStreamEvent } from '../../../protocol/stream.ts';
import { scriptedAgent } from '../../support/fleet.ts';
import { waitFor } from '../../support/wait.ts';
import { followedFleet, followFrom } from './support/followed-fleet.ts';

const seqs = (events: readonly FleetStreamEvent[]): (number | undefined)[] =>
  events.map(event => ('seq' in event ? event.seq : undefined));
const isTask =
  (task_id: string, status: string) =>
  (event: FleetStreamEvent): boolean =>
    event.event === 'fleet' &&
    event.fleet.kind === 'task' &&
    event.fleet.task_id === task_id &&
    event.fleet.status === status;

async function ready() {
  const fleet = await followedFleet();
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
  await fleet.agentReady('walnut-echo');
  const manager = await jetstreamManager(fleet.connection);
  const state = async () => (await manager.streams.info('CCLI_EVENTS')).state;
  /** Until the events of the tasks so far are stored. */
  const run = async (): Promise<string> => {
    const { task_id } = await fleet.run({ prompt: 'hello' });
    return task_id;
  };
  return { ...fleet, manager, state, run };
}

describe('the stream of a fleet', () => {
  test('tells what happens from now on, in order, to all who watch', async () => {
    const { fleet, run, state, streams } = await ready();
    const before = await run();
    await waitFor(async () => (await state()).last_seq >= 5);
    const first = fleet();
    const second = fleet();
    await waitFor(async () => (await state()).consumer_count === 1);
    const task_id = await run();
    for (const reader of [first, second]) await reader.until(isTask(task_id, 'completed'));
    expect(first.events.some(isTask(before, 'queued'))).toBe(false);
    const numbers = seqs(first.events);
    expect(numbers).toEqual(Array.from(numbers, (_, index) => (numbers[0] ?? 0) + index));
    expect(second.events).toEqual(first.events);
    expect((await state()).consumer_count).toBe(1);
    await streams.close();
    for (const reader of [first, second])
      expect((await reader.ended).at(-1)).toMatchObject({
        event: 'closed',
        error: { code: 'shutting_down' },
      });
    expect((await state()).consumer_count).toBe(0);
  });

  test('goes on after the number of the last event seen, at another coordinator as well', async () => {
    const { fleet, run, nats } = await ready();
    const reader = fleet();
    const task_id = await run();
    await reader.until(isTask(task_id, 'completed'));
    const all = reader.events.filter(event => event.event === 'fleet');
    const middle = all[1]?.seq;
    const rest = all.slice(2);
    const resumed = fleet(middle);
    await resumed.until(isTask(task_id, 'completed'));
    expect(resumed.events.slice(0, rest.length)).toEqual(rest);
    const elsewhere = await followFrom(nats.url);
    const again = elsewhere.fleet(middle);
    await again.until(isTask(task_id, 'completed'));
    expect(again.events.slice(0, rest.length)).toEqual(rest);
  });

  test('tells how many events are gone', async () => {
    const { fleet, run, manager, state } = await ready();
    const task_id = await run();
    await waitFor(async () => (await state()).last_seq >= 5);
    const { last_seq } = await state();
    await manager.streams.purge('CCLI_EVENTS', { seq: last_seq });
    const reader = fleet(1);
    await reader.until(event => event.event === 'fleet');
    expect(reader.events[0]).toEqual({ event: 'gap', seq: last_seq - 1, missing: last_seq - 2 });
    expect(reader.events[1]).toMatchObject({ event: 'fleet', seq: last_seq, fleet: { task_id } });
  });

  test('begins with now for a number that is still to come', async () => {
    const { fleet, run } = await ready();
    const reader = fleet(1_000_000);
    const watch = fleet();
    const task_id = await waitFor(async () => {
      const task_id = await run();
      return reader.events.length > 0 && task_id;
    });
    await reader.until(isTask(task_id, 'completed'));
    expect(reader.events.every(event => event.event === 'fleet')).toBe(true);
    expect(watch.events.length).toBeGreaterThan(0);
  });

  test('goes on through a restart of the server', async () => {
    const { fleet, run, nats, call } = await ready();
    const reader = fleet();
    const before = await run();
    await reader.until(isTask(before, 'completed'));
    await nats.restart();
    await waitFor(async () => (await call('status', {})).nodes.alive === 1);
    const after = await waitFor(run);
    await reader.until(isTask(after, 'completed'));
    const numbers = seqs(reader.events);
    expect(numbers).toEqual(Array.from(numbers, (_, index) => (numbers[0] ?? 0) + index));
  });

  test('ends without a word for a reader who has gone', async () => {
    const { fleet, run } = await ready();
    const reader = fleet();
    const task_id = await run();
    await reader.until(isTask(task_id, 'completed'));
    reader.leave();
    expect((await reader.ended).every(event => event.event === 'fleet')).toBe(true);
  });
});
