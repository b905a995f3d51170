import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createIncomingText } from '../../node-agent/incoming.ts';
import { CcliError } from '../../protocol/errors.ts';
import { SLICE_BYTES } from '../../protocol/limits.ts';
import { cut } from '../../protocol/text.ts';

/** The cut between its first two slices falls inside the rocket. */
const TEXT = `${'a'.repeat(SLICE_BYTES - 1)}🚀${'b'.repeat(SLICE_BYTES)}`;
const NEVER = new AbortController().signal;
const LONG_MS = 60_000;

function incoming(text = TEXT) {
  const bytes = new TextEncoder().encode(text);
  const slices = cut(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const prompt = createIncomingText({ slices: slices.length, size_bytes: bytes.byteLength, sha256 });
  const put = (...indexes: readonly number[]): void => {
    for (const index of indexes) prompt.put(index, slices[index] ?? new Uint8Array());
  };
  return { prompt, put };
}

describe('a long prompt on its way in', () => {
  test('says which slices it still waits for', () => {
    const { prompt, put } = incoming();
    expect(prompt.missing()).toEqual([0, 1, 2]);
    put(1);
    expect(prompt.missing()).toEqual([0, 2]);
  });

  test.each([
    ['in order', [0, 1, 2]],
    ['backwards', [2, 1, 0]],
    ['with some twice', [1, 1, 0, 1, 2, 2]],
  ])('is whole once its slices have come %s', async (_how, order) => {
    const { prompt, put } = incoming();
    put(...order);
    expect((await prompt.whole(LONG_MS, NEVER)) === TEXT).toBe(true);
    expect(prompt.missing()).toEqual([]);
  });

  test('is waited for, and what comes late or does not belong to it is ignored', async () => {
    const { prompt, put } = incoming();
    put(2, 0, 7);
    const whole = prompt.whole(LONG_MS, NEVER);
    put(1);
    expect((await whole) === TEXT).toBe(true);
    put(1, 1);
    expect(prompt.missing()).toEqual([]);
  });

  test('that does not come in time is refused with how much is missing', async () => {
    const { prompt, put } = incoming();
    put(1);
    await expect(prompt.whole(1, NEVER)).rejects.toMatchObject({
      code: 'slices_incomplete',
      message: '2 of 3 slices of the prompt never came.',
    });
  });

  test('whose slices do not add up is refused', async () => {
    const { prompt, put } = incoming();
    put(0, 1);
    prompt.put(2, new TextEncoder().encode('something else'));
    await expect(prompt.whole(LONG_MS, NEVER)).rejects.toMatchObject({ code: 'slices_incomplete' });
  });

  test.each(['while it waits', 'before it waits', 'though it is whole'])(
    'is given up with the reason of an abort %s',
    async when => {
      const { prompt, put } = incoming();
      const controller = new AbortController();
      const reason = new CcliError('cancelled');
      if (when === 'though it is whole') put(0, 1, 2);
      if (when !== 'while it waits') controller.abort(reason);
      const whole = prompt.whole(LONG_MS, controller.signal);
      controller.abort(reason);
      await expect(whole).rejects.toBe(reason);
    },
  );
});
