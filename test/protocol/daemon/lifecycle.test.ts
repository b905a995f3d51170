import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';

const never = (): Promise<never> => new Promise(() => undefined);

function watched(limit_ms?: number) {
  const events: string[] = [];
  const lifecycle = createLifecycle({
    onError: (error, what) => {
      events.push(`${what} failed: ${error instanceof Error ? error.message : String(error)}`);
    },
    ...(limit_ms !== undefined && {
      patience: {
        limit_ms,
        onLate: (what: string) => {
          events.push(`${what} is late`);
        },
      },
    }),
  });
  return { lifecycle, events };
}

test('a closer that never ends is named, and the others are closed all the same', async () => {
  const { lifecycle, events } = watched(1);
  lifecycle.defer('the last', () => {
    events.push('the last closed');
  });
  lifecycle.defer('the stuck one', never);
  lifecycle.defer('the broken one', () => Promise.reject(new Error('broken')));
  lifecycle.defer('the first', () => {
    events.push('the first closed');
  });
  await lifecycle.stop();
  expect(events).toEqual([
    'the first closed',
    'the broken one failed: broken',
    'the stuck one is late',
    'the last closed',
  ]);
});

test('background work that never ends does not keep the daemon from stopping', async () => {
  const { lifecycle, events } = watched(1);
  lifecycle.handOver(never());
  await lifecycle.stop();
  expect(events).toEqual(['background work is late']);
});

test('a closer with a limit of its own gets that much time', async () => {
  const { lifecycle, events } = watched(1);
  lifecycle.defer('slow', () => delay(20), 60_000);
  lifecycle.defer('stuck', never);
  await lifecycle.stop();
  expect(events).toEqual(['stuck is late']);
});

test('without a limit stopping waits for whatever takes its time', async () => {
  const { lifecycle, events } = watched();
  let release = (): void => undefined;
  lifecycle.handOver(
    new Promise<void>(resolve => {
      release = resolve;
    }).then(() => events.push('work ended')),
  );
  lifecycle.defer('a closer', () => {
    events.push('closed');
    setImmediate(release);
  });
  await lifecycle.stop();
  expect(events).toEqual(['closed', 'work ended']);
});
