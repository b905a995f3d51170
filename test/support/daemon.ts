/** Our daemons as real processes, from the built tree. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { built } from './built.ts';
import { plainEnvironment } from './plain-environment.ts';
import { waitFor } from './wait.ts';

export interface DaemonProcess {
  readonly pid: number;
  /** Everything on stderr so far. */
  readonly log: () => string;
  /** Waits for an event of the daemon's log. */
  readonly logged: (event: string) => Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** The exit code; undefined when a signal ended it. */
  readonly ended: Promise<number | undefined>;
}

interface DaemonOptions {
  readonly program: 'coordinator' | 'node-agent';
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The Node to run it under; the test's own when absent. */
  readonly node?: string;
}

/** Ended when the test that asks for it has finished. */
export function startDaemon({
  program,
  args = [],
  environment = {},
  node = process.execPath,
}: DaemonOptions): DaemonProcess {
  const child = spawn(node, [built(`${program}/main.ts`), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Most tests have agents that nobody has registered.
    env: { ...plainEnvironment(), CCLI_DISCOVERED: 'allow', CCLI_HTTP: 'false', ...environment },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = once(child, 'close').then(() => child.exitCode ?? undefined);
  onTestFinished(() => end(child, ended));
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} did not start`);
  return {
    pid,
    log: () => log,
    async logged(event) {
      await waitFor(() => log.includes(`"event":"${event}"`), { what: `"${event}" in the log:\n${log}` });
    },
    signal: name => {
      child.kill(name);
    },
    ended,
  };
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  await ended;
}
