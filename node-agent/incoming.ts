/** A long prompt on its way in: slices arrive in any order, some twice, some never. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError } from '../protocol/errors.ts';
import { join, type TextRef } from '../protocol/text.ts';

export interface IncomingText {
  missing(): number[];
  /** An index the text does not have is ignored. */
  put(index: number, bytes: Uint8Array): void;
  /**
   * The text, once every slice is there.
   *
   * @throws CcliError `slices_incomplete` when they do not come in time or do not add up; on abort, the signal's reason.
   */
  whole(timeout_ms: number, signal: AbortSignal): Promise<string>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function createIncomingText(ref: TextRef): IncomingText {
  const slices: (Uint8Array | undefined)[] = Array.from({ length: ref.slices }, () => undefined);
  let fill = (): void => undefined;
  const filled = new Promise<void>(resolve => {
    fill = resolve;
  });
  const missing = (): number[] => slices.flatMap((slice, index) => (slice === undefined ? [index] : []));

  return {
    missing,
    put(index, bytes) {
      if (index >= ref.slices) return;
      slices[index] = bytes;
      if (missing().length === 0) fill();
    },
    async whole(timeout_ms, signal) {
      const timer = new AbortController();
      const either = AbortSignal.any([signal, timer.signal]);
      const late = delay(timeout_ms, 'late' as const, { signal: either }).catch(() => 'stopped' as const);
      const first = await Promise.race([filled, late]);
      timer.abort();
      signal.throwIfAborted();
      if (first === 'late') {
        throw new CcliError(
          'slices_incomplete',
          `${missing().length} of ${ref.slices} slices of the prompt never came.`,
        );
      }
      const text = join(slices, ref, sha256);
      slices.length = 0;
      return text;
    },
  };
}
