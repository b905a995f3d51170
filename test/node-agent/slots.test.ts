import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createSlots } from '../../node-agent/slots.ts';
import { failure } from './drivers/fixture.ts';

const nothing = (): void => undefined;
const { signal } = new AbortController();
const one = (): number => 1;
const LONG_MS = 60_000;

test('a slot is given back once, however often that is asked', () => {
  const slots = createSlots(nothing);
  const release = slots.take();
  slots.take();
  release();
  release();
  expect(slots.taken).toBe(1);
});

test('who waits for a slot gets it the moment it is free, and only one of them does', async () => {
  const slots = createSlots(nothing);
  const release = slots.take();
  const got: string[] = [];
  const waiting = ['first', 'second'].map(async name => {
    const own = await slots.takeWithin(LONG_MS, one, signal);
    got.push(name);
    return own;
  });
  release();
  expect(slots.taken).toBe(1);
  (await waiting[0])?.();
  (await waiting[1])?.();
  expect(got).toEqual(['first', 'second']);
  expect(slots.taken).toBe(0);
});

test('who waits too long, or no longer needs to, is told that all slots are taken', async () => {
  const slots = createSlots(nothing);
  slots.take();
  expect((await failure(slots.takeWithin(1, one, signal))).code).toBe('slots_taken');
  expect((await failure(slots.takeWithin(LONG_MS, one, AbortSignal.abort()))).code).toBe('slots_taken');
  expect(slots.taken).toBe(1);
});

test('nobody hears that all are free before the last one is given back', async () => {
  const slots = createSlots(nothing);
  await slots.free();
  const releases = [slots.take(), slots.take()];
  let free = false;
  const waiting = slots.free().then(() => {
    free = true;
  });
  releases[0]?.();
  await new Promise(setImmediate);
  expect(free).toBe(false);
  releases[1]?.();
  await waiting;
});

test('what runs on the agent before counts here, and who waits gets a slot when it has ended', async () => {
  const first = createSlots(nothing);
  const releaseFirst = first.take();
  const second = createSlots(nothing, first);
  const releaseSecond = second.take();
  let changes = 0;
  const third = createSlots(() => {
    changes += 1;
  }, second);
  expect(third.taken).toBe(2);
  let got = false;
  const waiting = third.takeWithin(LONG_MS, one, signal).then(release => {
    got = true;
    return release;
  });
  await third.free();
  releaseSecond();
  await new Promise(setImmediate);
  expect([got, changes]).toEqual([false, 1]);
  releaseFirst();
  (await waiting)();
  expect([first.taken, second.taken, third.taken]).toEqual([0, 0, 0]);
});

test('who waits is answered in time, even when all that nobody holds is swept away meanwhile', async () => {
  setFlagsFromString('--expose-gc');
  const sweep = runInNewContext('gc') as () => void;
  const slots = createSlots(nothing);
  slots.take();
  const wait = { over: false };
  const waiting = failure(slots.takeWithin(50, one, new AbortController().signal)).finally(() => {
    wait.over = true;
  });
  while (!wait.over) {
    sweep();
    await new Promise(setImmediate);
  }
  expect((await waiting).code).toBe('slots_taken');
});
