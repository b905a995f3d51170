import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TaskStreamEvent } from '../../../protocol/stream.ts';
import { scriptedAgent } from '../../support/fleet.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { followedFleet } from './support/followed-fleet.ts';

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

const statuses = (events: readonly TaskStreamEvent[]): string[] =>
  events.filter(event => event.event === 'state').map(({ status }) => status);
const textOf = (events: readonly TaskStreamEvent[]): string =>
  events
    .filter(event => event.event === 'chunk')
    .map(({ text }) => text)
    .join('');

describe('the stream of a real task', () => {
  test('tells its way from the queue to its result', async () => {
    const fleet = await followedFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_concurrent: 1 })] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const first = await fleet.call('submit', { prompt: script({ say: 'first', gate }) });
    await fleet.reaches(first.task_id, 'running');
    const second = await fleet.call('submit', { prompt: script({ say: 'second' }) });
    const reader = fleet.task(second.task_id);
    await reader.until(event => event.event === 'state' && event.waiting_for !== undefined);
    await writeFile(gate, '');
    const events = await reader.ended;
    expect([...new Set(statuses(events))]).toEqual(['queued', 'assigned', 'running', 'completed']);
    expect(textOf(events)).toBe('second');
    expect(events.at(-1)).toMatchObject({ event: 'result', task: { response: 'second' } });
  });

  test('has the whole of a long answer, in chunks and in the result', async () => {
    const fleet = await followedFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const line = `${'żółw 🐢 '.repeat(1_000)}\n`;
    const { task_id } = await fleet.call('submit', { prompt: script({ say: line, repeat: 400 }) });
    const events = await fleet.task(task_id).ended;
    const result = events.at(-1);
    const response = result?.event === 'result' ? result.task.response : undefined;
    // Compared here: a report of the difference would be megabytes long.
    expect(response === line.repeat(400)).toBe(true);
    expect(events.filter(event => event.event === 'gap')).toEqual([]);
    expect(textOf(events) === response).toBe(true);
    // The same once more, long after its end.
    const again = await fleet.task(task_id).ended;
    expect(statuses(again)).toEqual(['completed']);
    expect(textOf(again) === response).toBe(true);
  });

  test('goes on through a restart of the server, and loses nothing of the answer', async () => {
    const fleet = await followedFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const { task_id } = await fleet.call('submit', { prompt: script({ before: 'one ', gate, say: 'two' }) });
    const reader = fleet.task(task_id);
    await reader.until(event => event.event === 'chunk');
    await fleet.nats.kill();
    await fleet.nats.restart();
    await writeFile(gate, '');
    const events = await reader.ended;
    expect(textOf(events)).toBe('one two');
    expect(events.filter(event => event.event === 'gap')).toEqual([]);
    expect(statuses(events).at(-1)).toBe('completed');
    expect(events.at(-1)).toMatchObject({ event: 'result', task: { response: 'one two' } });
  });

  test('tells of a task that is cancelled while it waits', async () => {
    const fleet = await followedFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_concurrent: 1 })] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const first = await fleet.call('submit', { prompt: script({ say: 'first', gate }) });
    await fleet.reaches(first.task_id, 'running');
    const second = await fleet.call('submit', { prompt: 'second' });
    const reader = fleet.task(second.task_id);
    await reader.until(event => event.event === 'state');
    await fleet.call('cancel', { task_id: second.task_id });
    const events = await reader.ended;
    expect(events.at(-1)).toMatchObject({ event: 'result', position: '0.0', task: { status: 'cancelled' } });
    expect(events.filter(event => event.event === 'gap')).toEqual([]);
    await writeFile(gate, '');
    await fleet.reaches(first.task_id, 'completed');
  });
});
