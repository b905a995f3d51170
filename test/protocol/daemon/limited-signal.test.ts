import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { limitedSignal, withinTime } from '../../../protocol/daemon/limited-signal.ts';

const ended = (signal: AbortSignal): Promise<unknown> =>
  new Promise(resolve => {
    signal.addEventListener('abort', () => {
      resolve(signal.reason);
    });
  });

test('a limited signal ends by the time', async () => {
  const source = new AbortController();
  const { signal, late } = limitedSignal([source.signal], 1);
  expect(late()).toBe(false);
  expect(await ended(signal)).toMatchObject({ name: 'TimeoutError' });
  expect(late()).toBe(true);
  expect(getEventListeners(source.signal, 'abort')).toEqual([]);
});

test('a limited signal ends with any of its sources, with the reason of that one', () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const limited = limitedSignal([one.signal, two.signal], 60_000);
  const reason = new Error('enough');
  two.abort(reason);
  expect(limited.signal.reason).toBe(reason);
  expect(limited.late()).toBe(false);
  expect(getEventListeners(one.signal, 'abort')).toEqual([]);
  expect(limitedSignal([two.signal], 60_000).signal.reason).toBe(reason);
});

test('a limited signal that is cleared stays as it is, and is forgotten by its sources', () => {
  const source = new AbortController();
  const { signal, clear } = limitedSignal([source.signal], 60_000);
  clear();
  expect(getEventListeners(source.signal, 'abort')).toEqual([]);
  source.abort();
  expect(signal.aborted).toBe(false);
});

test('work within a time settles as it does, unless it is ended', async () => {
  const late = (): Error => new Error('late');
  const limits = { limit_ms: 60_000, late, signals: [] };
  expect(await withinTime(() => Promise.resolve('done'), limits)).toBe('done');
  await expect(withinTime(() => Promise.reject(new Error('broke')), limits)).rejects.toThrow('broke');
  const endless = async (signal: AbortSignal): Promise<never> => {
    await ended(signal);
    throw new Error('broke off');
  };
  await expect(withinTime(endless, { ...limits, limit_ms: 1 })).rejects.toThrow('late');
  const source = new AbortController();
  const work = withinTime(endless, { ...limits, signals: [source.signal] });
  source.abort(new Error('enough'));
  await expect(work).rejects.toThrow('enough');
});
