/**
 * Children that cannot outlive us, however we die. A shell of a few lines stands between: it waits for the child, and
 * beside that for the end of a pipe whose other end is ours. The kernel closes that end with our process, SIGKILL
 * included; then the child gets SIGTERM and, after its grace, SIGKILL.
 *
 * Guardian and child form a process group of their own, so a Ctrl-C at the terminal reaches only us, and we stop
 * children in the order that loses nothing.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { poll } from './poll.ts';

// The last `kill` ends the watcher and its `sleep`; they share the guardian's group with nobody else.
const SCRIPT = `
grace=$1; shift
"$@" 3<&- &
child=$!
( read -r line <&3; kill -TERM "$child"; sleep "$grace"; kill -KILL "$child" ) >/dev/null 2>&1 &
exec 3<&-
wait "$child"
code=$?
trap '' TERM
kill -TERM 0
exit "$code"
`;

export interface Exit {
  /** As a shell reports it: 128 + n after signal n. Null when the guardian itself was killed or never started. */
  readonly code: number | null;
  readonly error?: Error;
}

export interface GuardedProcess {
  /** Of the process group that holds guardian and child. */
  readonly pid: number | undefined;
  readonly stdout: Readable | null;
  readonly exited: Promise<Exit>;
  /** Ends the child: SIGTERM, and SIGKILL after the grace. Safe to call twice and after the end. */
  readonly stop: () => Promise<void>;
  /** SIGKILL at once. */
  readonly kill: () => Promise<void>;
}

interface GuardedOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly cwd?: string;
  /** A file descriptor for stdout and stderr together, or `pipe` to read both as `stdout`. */
  readonly output: number | 'pipe';
  /** Whole seconds between SIGTERM and SIGKILL. */
  readonly grace_s: number;
}

export function spawnGuarded(options: GuardedOptions): GuardedProcess {
  const { command, args, environment, cwd, output, grace_s } = options;
  // With `pipe`, stderr joins stdout inside the shell, so that one reader sees both in order.
  const script = output === 'pipe' ? `exec 2>&1\n${SCRIPT}` : SCRIPT;
  const stdio: StdioOptions = ['ignore', output, output === 'pipe' ? 'ignore' : output, 'pipe'];
  const child = spawn('/bin/sh', ['-c', script, 'ccli-guardian', String(grace_s), command, ...args], {
    detached: true,
    env: environment,
    stdio,
    ...(cwd !== undefined && { cwd }),
  });
  const lifeline = child.stdio[3] as Writable | null | undefined;
  // The guardian closes its end when it ends; that is no error of ours.
  lifeline?.on('error', () => undefined);
  const exited = exitOf(child);
  return {
    pid: child.pid,
    stdout: child.stdout,
    exited,
    async stop() {
      lifeline?.destroy();
      await exited;
    },
    async kill() {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        killGroup(child.pid);
      }
      lifeline?.destroy();
      await exited;
      // The child is no child of ours: its ports are free a moment after the guardian has ended.
      if (child.pid !== undefined) await groupGone(child.pid);
    },
  };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise(resolve => {
    child.once('error', error => {
      resolve({ code: null, error });
    });
    // `close`, not `exit`: whatever the child printed has been read by then.
    child.once('close', code => {
      resolve({ code });
    });
  });
}

/** Until nobody is left in the group, or only some who have ended and nobody has collected. */
async function groupGone(pid: number): Promise<void> {
  const gone = (): true | undefined => {
    try {
      process.kill(-pid, 0);
      return undefined;
    } catch {
      return true;
    }
  };
  await poll(gone, { timeout_ms: 2_000, pause_ms: 2, max_pause_ms: 50 });
}

/** SIGKILL to a whole process group; one that is gone already is what was wanted. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
