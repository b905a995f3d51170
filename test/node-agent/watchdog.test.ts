import { expect, onTestFinished, test, vi } from 'vitest';
import { createWatchdog } from '../../node-agent/watchdog.ts';

/** A watchdog on a clock that the test moves. */
function watch(idle_ms: number | undefined) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  let silences = 0;
  const watchdog = createWatchdog(idle_ms, () => {
    silences += 1;
  });
  return { watchdog, silences: () => silences, pass: (ms: number) => vi.advanceTimersByTime(ms) };
}

test('silence counts from the start and from each sign of life', () => {
  const { watchdog, silences, pass } = watch(100);
  pass(1_000);
  watchdog.start();
  pass(99);
  watchdog.alive();
  pass(99);
  expect(silences()).toBe(0);
  pass(2);
  expect(silences()).toBe(1);
  pass(1_000);
  expect(silences()).toBe(1);
});

test('what came while a daemon was frozen is heard before it judges', () => {
  const { watchdog, silences, pass } = watch(100);
  watchdog.start();
  // The pipes are read between the timer and the look.
  setTimeout(() => {
    watchdog.alive();
  }, 100);
  pass(150);
  expect(silences()).toBe(0);
  pass(100);
  expect(silences()).toBe(1);
});

test('nothing is watched without a limit, before the start, or after the stop', () => {
  const off = watch(undefined);
  off.watchdog.start();
  off.pass(86_400_000);
  expect(off.silences()).toBe(0);
  const stopped = watch(100);
  stopped.watchdog.start();
  stopped.watchdog.stop();
  stopped.pass(1_000);
  stopped.watchdog.start();
  stopped.pass(1_000);
  expect(stopped.silences()).toBe(0);
});
