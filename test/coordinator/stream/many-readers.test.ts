import { describe, expect, test } from 'vitest';
import { monitoredNats } from '../../support/monitored-nats.ts';
import { waitFor } from '../../support/wait.ts';
import { scriptedFleet } from './support/scripted.ts';

describe('a thousand readers of one task', () => {
  test('cost the subscriptions of one, and are all told the same', async () => {
    const nats = await monitoredNats();
    const fleet = await scriptedFleet(nats.url);
    const subscriptions = () => nats.subscriptions('ccli');
    const task = await fleet.submit();
    const before = await subscriptions();
    const first = fleet.follow(task.task_id);
    await first.until(event => event.event === 'state');
    await waitFor(async () => (await fleet.consumers()) === 1);
    const ofOne = await subscriptions();

    const readers = [first, ...Array.from({ length: 999 }, () => fleet.follow(task.task_id))];
    await waitFor(() => fleet.streams.counts.readers === 1_000);
    expect(await fleet.consumers()).toBe(1);
    expect(await subscriptions()).toBe(ofOne);

    task.start();
    for (let n = 0; n < 50; n += 1) task.chunk(1, n, `${n} `);
    const answer = Array.from({ length: 50 }, (_, n) => `${n} `).join('');
    task.complete(answer);
    const expected = await first.ended;
    expect(
      expected
        .filter(event => event.event === 'chunk')
        .map(({ text }) => text)
        .join(''),
    ).toBe(answer);
    for (const reader of readers) expect(await reader.ended).toEqual(expected);
    await waitFor(async () => (await fleet.consumers()) === 0);
    await waitFor(async () => (await subscriptions()) === before);
  });
});
