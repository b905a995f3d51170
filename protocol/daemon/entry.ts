/** What a daemon's `main.ts` does around its work: signals, exit codes, and the end of a parent that started it. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CcliError, ERRORS, toErrorBody } from '../errors.ts';

export interface Daemon {
  /** Drains, then closes everything. Safe to call twice. */
  stop(): Promise<void>;
  /** Settles when the daemon cannot go on by itself. */
  readonly failed: Promise<CcliError>;
}

/** Whether the module of this `import.meta.url` is the program that was started. */
export function isProgram(url: string): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(url);
}

interface DaemonOptions {
  readonly start: () => Promise<Daemon>;
  /** Stop when stdin ends: whoever started this daemon has gone, however it went. */
  readonly exit_with_parent: boolean;
}

/**
 * Runs until SIGTERM, SIGINT, the end of a parent, or a failure. A second signal while draining exits at once. The
 * exit code is 0 after an orderly stop, else the failure's own from the error table.
 */
export async function runDaemon({ start, exit_with_parent }: DaemonOptions): Promise<void> {
  const { promise: stopAsked, resolve: askStop } = promiseWithResolver();
  let asked = 0;
  const onSignal = (): void => {
    asked += 1;
    if (asked > 1) process.exit(ERRORS.cancelled.exit);
    askStop(undefined);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  if (exit_with_parent) {
    process.stdin.resume();
    process.stdin.on('end', askStop);
    process.stdin.on('error', askStop);
  }
  process.exitCode = await live(start, stopAsked);
  // A handle somebody forgot must not keep a stopped daemon alive.
  process.exit();
}

async function live(start: () => Promise<Daemon>, stopAsked: Promise<undefined>): Promise<number> {
  try {
    const starting = start();
    const daemon = await Promise.race([starting, stopAsked]);
    if (daemon === undefined) {
      // Stopped while still starting, most often while waiting for NATS: nothing of ours runs yet. How the start ends
      // does not matter any more.
      starting.catch(() => undefined);
      return 0;
    }
    const failure = await Promise.race([stopAsked, daemon.failed]);
    await daemon.stop();
    if (failure !== undefined) throw failure;
    return 0;
  } catch (error) {
    const { code, message, cause } = toErrorBody(error);
    process.stderr.write(`error ${code}: ${message}${cause === undefined ? '' : ` (${cause})`}\n`);
    return ERRORS[code].exit;
  }
}

function promiseWithResolver(): { promise: Promise<undefined>; resolve: (value: undefined) => void } {
  let resolve = (_value: undefined): void => undefined;
  const promise = new Promise<undefined>(settle => {
    resolve = settle;
  });
  return { promise, resolve };
}
