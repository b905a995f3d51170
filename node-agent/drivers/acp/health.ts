/** Whether a warm process still answers. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AcpConnection } from './connection.ts';

/** `heard`: it gave no answer in time, but works. */
export type Pulse = 'well' | 'heard' | 'silent' | 'gone';

/** A busy event loop, or a host short of memory, may well need seconds. */
const PATIENCE_MS = 10_000;
const LEAST_PATIENCE_MS = 2_000;

/** How long to wait for an answer, of a process that is asked this often. */
export const patienceFor = (interval_ms: number): number =>
  Math.min(Math.max(interval_ms, LEAST_PATIENCE_MS), PATIENCE_MS);

/** The patience is spent in parts: if it was we who slept through one, what came meanwhile is read in the next. */
const PARTS = 4;

/** On abort, as if it were gone: nobody wants to know any more. */
export async function takePulse(
  connection: Pick<AcpConnection, 'ping' | 'alive' | 'heard'>,
  patience_ms: number,
  signal: AbortSignal,
): Promise<Pulse> {
  const { heard } = connection;
  const over = new AbortController();
  const stop = (): void => {
    over.abort();
  };
  // Not `AbortSignal.any`: Node 20 keeps what it makes for as long as its longest-lived source.
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const answer: Promise<Pulse> = connection.ping().then(
    () => 'well',
    () => 'gone',
  );
  const given: Promise<Pulse> = wait(patience_ms, over.signal).then(
    () => (connection.heard === heard ? 'silent' : 'heard'),
    () => 'gone',
  );
  try {
    const pulse = await Promise.race([answer, given]);
    return connection.alive ? pulse : 'gone';
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  for (let part = 0; part < PARTS; part += 1) await delay(ms / PARTS, undefined, { signal });
}
