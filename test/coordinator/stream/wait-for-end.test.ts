import { describe, expect, test } from 'vitest';
import { insist } from '../../../coordinator/stream/wait-for-end.ts';
import { CcliError } from '../../../protocol/errors.ts';

describe('insisting', () => {
  test('does not try what cannot pass by itself again', async () => {
    let tries = 0;
    const { signal } = new AbortController();
    const failing = insist(() => {
      tries += 1;
      return Promise.reject(new CcliError('task_unknown'));
    }, signal);
    await expect(failing).rejects.toMatchObject({ code: 'task_unknown' });
    expect(tries).toBe(1);
  });

  test('stops at once when it is no longer wanted', async () => {
    const reason = new Error('gone');
    await expect(insist(() => Promise.resolve(1), AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
