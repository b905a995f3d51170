/** Ctrl-C in two steps: the first asks a command to wind up, the second to stop at once. */
import { CcliError } from '../../protocol/errors.ts';
import type { CliIo, Interrupt } from './io.ts';

export interface Interrupts {
  readonly first: AbortSignal;
  readonly second: AbortSignal;
  /** Which signal the first one was. */
  readonly by: Interrupt | undefined;
  /** Gives the signals back to whoever had them. */
  release(): void;
}

export function takeInterrupts(io: Pick<CliIo, 'onInterrupt'>): Interrupts {
  const first = new AbortController();
  const second = new AbortController();
  let by: Interrupt | undefined;
  const release = io.onInterrupt(signal => {
    by ??= signal;
    const step = first.signal.aborted ? second : first;
    step.abort(new CcliError('cancelled', 'Interrupted.'));
  });
  return {
    first: first.signal,
    second: second.signal,
    get by() {
      return by;
    },
    release,
  };
}
