/** What happens meanwhile, on stderr: a line a stage, and on a terminal a spinner beside the current one. */
import yoctoSpinner, { type Spinner } from 'yocto-spinner';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { OutputStream } from './io.ts';
import type { Output } from './output.ts';

export interface Progress {
  /** The next stage; said twice in a row, it is shown once. */
  stage(text: string): void;
  /** A line that is no stage. */
  note(text: string): void;
  /** Leaves the current stage as a line and the terminal to others, until the next stage. */
  pause(): void;
}

export const silentProgress: Progress = { stage: () => {}, note: () => {}, pause: () => {} };

export function createProgress(stderr: Output, stream: OutputStream, environment: Environment): Progress {
  // The same conditions under which the spinner itself would move.
  const spins = stderr.tty && environment['TERM'] !== 'dumb' && !('CI' in environment);
  let current: string | undefined;
  let spinner: Spinner | undefined;

  const pause = (): void => {
    if (spinner === undefined || current === undefined) return;
    spinner.stop();
    spinner = undefined;
    stderr.line(stderr.colors.dim(current));
  };
  return {
    pause,
    stage(text) {
      if (text === current) return;
      pause();
      current = text;
      if (spins) spinner = yoctoSpinner({ text, stream, handleSignals: false }).start();
      else stderr.line(text);
    },
    note(text) {
      pause();
      stderr.line(stderr.colors.dim(text));
    },
  };
}
