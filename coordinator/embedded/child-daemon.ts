/** One of our own daemons as a child. It drains and ends by itself when its stdin does, so it cannot outlive us. */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError, ErrorCodeSchema } from '../../protocol/errors.ts';
import { killGroup } from './guardian.ts';
import { lastLines } from './log-tail.ts';

export interface ChildDaemon {
  readonly pid: number | undefined;
  /** Settles when the daemon has ended, with what it said last. */
  readonly ended: Promise<CcliError>;
  /** SIGTERM, so that it drains; SIGKILL to its process group after the grace. Safe to call twice. */
  stop(grace_ms: number): Promise<void>;
}

interface ChildDaemonOptions {
  /** As people know it: `coordinator`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly log_file: string;
}

export async function startDaemon(options: ChildDaemonOptions): Promise<ChildDaemon> {
  const { name, program, args, environment, log_file } = options;
  const log = await open(log_file, 'w', 0o600);
  // A group of its own: a Ctrl-C at the terminal is ours alone, and we stop the daemons in order.
  const child = spawn(process.execPath, [program, ...args, '--exit-with-parent'], {
    detached: true,
    env: environment,
    stdio: ['pipe', log.fd, log.fd],
  });
  child.stdin?.on('error', () => undefined);
  const exited = new Promise<number | null>(resolve => {
    child.once('error', () => {
      resolve(null);
    });
    child.once('exit', resolve);
  });
  await log.close();
  return {
    pid: child.pid,
    ended: exited.then(code => endedError(name, code, log_file)),
    async stop(grace_ms) {
      child.kill('SIGTERM');
      const late = setTimeout(() => {
        if (child.pid !== undefined) killGroup(child.pid);
      }, grace_ms);
      await exited;
      clearTimeout(late);
      child.stdin?.destroy();
    },
  };
}

/** A daemon that gives up says so in its last lines: `error <code>: <sentence>`. */
async function endedError(name: string, code: number | null, log_file: string): Promise<CcliError> {
  const tail = await lastLines(log_file, 20);
  const [, said, sentence] = /^\s*error (\w+): (.*)$/ms.exec(tail) ?? [];
  const known = ErrorCodeSchema.safeParse(said);
  if (known.success && sentence !== undefined)
    return new CcliError(known.data, `The ${name} gave up. ${sentence}`);
  return new CcliError(
    'start_failed',
    `The ${name} ended (code ${code ?? 'none'}). Its last words, from ${log_file}:\n${await lastLines(log_file)}`,
  );
}
