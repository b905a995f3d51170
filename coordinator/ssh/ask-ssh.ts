/** Runs the `ssh` of this machine for what it says, and ends it with all that it has started when that takes too long. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { reasonOf } from './failure.ts';

export interface SshAnswer {
  /** Undefined when it was ended, by us or by anybody else. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

interface AskOptions {
  readonly environment: Environment;
  readonly timeout_ms: number;
  readonly signal: AbortSignal | undefined;
}

const MAX_BYTES = 1024 * 1024;

/** Undefined where there is no `ssh`. @throws the reason of the signal; the system's error when it cannot be started */
export function askSsh(
  argv: readonly string[],
  { environment, timeout_ms, signal }: AskOptions,
): Promise<SshAnswer | undefined> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(reasonOf(signal));
      return;
    }
    // A group of its own: a `Match exec` of the configuration runs a shell, which would outlive the one that waits for it.
    const child = spawn('ssh', argv, { env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      endGroup(child);
      act();
    };
    const answer = (code: number | undefined): void => {
      settle(() => {
        resolve({ code, stdout: stdout(), stderr: stderr() });
      });
    };
    const onAbort = (): void => {
      settle(() => {
        if (signal !== undefined) reject(reasonOf(signal));
      });
    };
    const timer = setTimeout(() => {
      answer(undefined);
    }, timeout_ms);
    signal?.addEventListener('abort', onAbort, { once: true });
    child.once('error', error => {
      settle(() => {
        if ('code' in error && error.code === 'ENOENT') resolve(undefined);
        else reject(error);
      });
    });
    child.once('close', code => {
      answer(code ?? undefined);
    });
  });
}

/** Does nothing to one that has ended and was collected: its number may be another's by now. */
function endGroup(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}

/** @returns what it has said so far; of one that never stops, only the beginning */
function collect(from: Readable): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  from.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
