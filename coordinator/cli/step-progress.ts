/** The steps of one host or of several, on stderr: a line each, and on a terminal with one host a spinner meanwhile. */
import yoctoSpinner, { type Spinner } from 'yocto-spinner';
import type { Watcher } from '../bootstrap/step.ts';
import type { Cli } from './cli.ts';
import { stepLine } from './render/bootstrap.ts';

export interface HostProgress extends Watcher {
  /** Leaves the terminal to others. */
  pause(): void;
}

const silent: HostProgress = {
  began: () => {},
  progress: () => {},
  ended: () => {},
  note: () => {},
  pause: () => {},
};

interface ProgressOptions {
  readonly quiet: boolean;
  /** Before each line; undefined when there is but one host. */
  readonly prefix?: string | undefined;
}

export function hostProgress(cli: Cli, { quiet, prefix }: ProgressOptions): HostProgress {
  if (quiet) return silent;
  const { stderr, io } = cli;
  const spins =
    prefix === undefined && stderr.tty && io.environment['TERM'] !== 'dumb' && !('CI' in io.environment);
  let spinner: Spinner | undefined;
  const pause = (): void => {
    spinner?.stop();
    spinner = undefined;
  };
  const line = (text: string): void => {
    pause();
    for (const one of text.split('\n'))
      stderr.line(prefix === undefined ? one : `${stderr.colors.dim(prefix)} ${one}`);
  };
  const show = (text: string): void => {
    if (!spins) return;
    spinner ??= yoctoSpinner({ text, stream: io.stderr, handleSignals: false }).start();
    spinner.text = text;
  };
  return {
    pause,
    began: show,
    progress: show,
    ended(report) {
      line(stepLine(report, stderr.colors));
    },
    note(text) {
      line(stderr.colors.yellow(text));
    },
  };
}
