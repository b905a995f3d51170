/** Runs a command on a host to its end: collects what it says, and stops it when it takes too long or says too much. */
import type { Readable } from 'node:stream';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { reasonOf, seconds } from './failure.ts';
import type { RemoteCommand, RemoteProcess, RemoteResult, RunOptions } from './ssh.ts';

const MAX_OUTPUT_BYTES = 1024 * 1024;

interface Deps {
  readonly host: string;
  readonly log: Log;
  readonly open: (command: RemoteCommand, signal: AbortSignal) => Promise<RemoteProcess>;
}

export async function runToEnd(
  command: RemoteCommand,
  { signal, timeout_ms, max_output_bytes = MAX_OUTPUT_BYTES }: RunOptions,
  { host, log, open }: Deps,
): Promise<RemoteResult> {
  const late = new CcliError(
    'ssh_timeout',
    `The command on ${host} took more than ${seconds(timeout_ms)} and was stopped; look there why, or allow it more.`,
  );
  const stop = new AbortController();
  const onAbort = (): void => {
    stop.abort(reasonOf(signal));
  };
  const timer = setTimeout(() => {
    stop.abort(late);
  }, timeout_ms);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    const process = await open(command, stop.signal);
    const tooMuch = (): void => {
      stop.abort(
        new CcliError(
          'remote_command_failed',
          `The command on ${host} printed more than ${max_output_bytes} bytes and was stopped.`,
        ),
      );
    };
    const stdout = collect(process.stream, max_output_bytes, tooMuch);
    const stderr = collect(process.stderr, max_output_bytes, tooMuch);
    const { code, signal: ended_by } = await endOf(process, stop.signal, log);
    return { code, signal: ended_by, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** When it is to stop, waits until its group is gone, so that whoever hears of the failure finds nothing running. */
async function endOf(
  process: RemoteProcess,
  stop: AbortSignal,
  log: Log,
): Promise<Awaited<RemoteProcess['ended']>> {
  let onAbort = (): void => undefined;
  const stopped = new Promise<'stopped'>(resolve => {
    onAbort = () => {
      resolve('stopped');
    };
  });
  if (stop.aborted) onAbort();
  else stop.addEventListener('abort', onAbort, { once: true });
  try {
    const end = await Promise.race([process.ended, stopped]);
    if (end !== 'stopped') return end;
    process.ended.catch(() => undefined);
    await process.kill().catch((error: unknown) => {
      log.warn('ssh_kill_failed', errorFields(error));
    });
    throw reasonOf(stop);
  } finally {
    stop.removeEventListener('abort', onAbort);
  }
}

/** @returns what was collected so far, as text */
function collect(from: Readable, max_bytes: number, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  from.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > max_bytes) tooMuch();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
