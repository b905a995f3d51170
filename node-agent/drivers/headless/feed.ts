/** One process for one prompt: the prompt on its stdin, text from its stdout, nothing left when it settles. */
import { stat } from 'node:fs/promises';
import { CcliError } from '../../../protocol/errors.ts';
import type { Exit } from '../../core/evidence-exit.ts';
import { spawnTool } from '../../process/spawn.ts';

interface FeedOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly prompt: string;
  readonly onNotKilled?: (pgids: readonly number[]) => void;
  /** Where the answer passes through a file instead of a pipe. */
  readonly stdout_file?: string;
  /** What it throws ends the process; no more is read while it takes its time. */
  readonly onText: (text: string) => Promise<void>;
  /** Of both pipes, or of the file: a process that prints more is ended. */
  readonly max_bytes: number;
  /** What such a process has failed with. */
  readonly tooMuch: () => CcliError;
  /** Any byte that comes, on either pipe; not after an abort. */
  readonly onActivity?: (() => void) | undefined;
}

/** How long a pipe may stay open once all that we started has gone: somebody outside the group holds it. */
const DRAIN_MS = 1_000;
/** A file grows by a gigabyte a second, whether it is read or not. */
const LOOK_AT_FILE_MS = 50;

/**
 * @throws CcliError `cli_missing`, `cli_crashed`, `cli_garbled` (its output is not UTF-8), what `tooMuch` makes; on abort
 *   the signal's reason. In each case after the process group is gone.
 */
export async function feed(options: FeedOptions, signal: AbortSignal): Promise<Exit> {
  signal.throwIfAborted();
  const active = (): void => {
    if (!signal.aborted) options.onActivity?.();
  };
  let bytes_seen = 0;
  let over: CcliError | undefined;
  const count = (bytes: number): void => {
    bytes_seen += bytes;
    if (bytes_seen > options.max_bytes) giveUp();
  };
  const tool = await spawnTool({
    ...options,
    onStderr: chars => {
      active();
      count(chars);
    },
  });
  /** No grace: what floods does so until it is killed. */
  const giveUp = (): void => {
    if (over !== undefined) return;
    over = options.tooMuch();
    void tool.stop(0);
    tool.stdout.destroy();
  };
  const unwatch = watchSize(options.stdout_file, options.max_bytes, giveUp);
  const stop = (): void => {
    void tool.stop();
  };
  signal.addEventListener('abort', stop, { once: true });
  const patience = silenceTimer(DRAIN_MS, () => tool.stdout.destroy());
  void tool.ended.then(() => {
    patience.start();
  });
  try {
    // The abort may have come while the process was starting.
    if (signal.aborted) stop();
    tool.stdin.end(options.prompt);
    // A byte order mark is part of the answer.
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    try {
      for await (const bytes of tool.stdout) {
        patience.heard();
        active();
        count(asBytes(bytes).byteLength);
        if (over !== undefined) break;
        const text = decode(() => decoder.decode(asBytes(bytes), { stream: true }));
        if (text !== '' && !signal.aborted) await options.onText(text);
      }
      const rest = over === undefined ? decode(() => decoder.decode()) : '';
      if (rest !== '') await options.onText(rest);
    } catch (error) {
      // A pipe that somebody outside the group held open was closed by us: what came is all there is.
      if (!isPrematureClose(error)) throw error;
    }
    const end = await tool.ended;
    signal.throwIfAborted();
    if (over !== undefined) throw over;
    return { ...end, stderr: tool.stderrTail() };
  } catch (error) {
    await tool.stop();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    unwatch();
    await tool.ended;
    patience.stop();
    tool.stdout.destroy();
  }
}

/** A file that is written faster than it is read shows by its size alone. */
function watchSize(file: string | undefined, max_bytes: number, onOver: () => void): () => void {
  if (file === undefined) return () => undefined;
  const timer = setInterval(() => {
    stat(file).then(
      ({ size }) => {
        if (size > max_bytes) onOver();
      },
      // It has gone with its task.
      () => undefined,
    );
  }, LOOK_AT_FILE_MS);
  return () => {
    clearInterval(timer);
  };
}

/** Runs `onSilence` once nothing has been heard for so long, counted from `start`. */
function silenceTimer(ms: number, onSilence: () => void): { start(): void; heard(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let heard = false;
  const arm = (): void => {
    heard = false;
    timer = setTimeout(() => {
      // A busy event loop runs its timers before it looks at its pipes: they get a turn first.
      setImmediate(() => {
        if (heard) arm();
        else if (timer !== undefined) onSilence();
      });
    }, ms);
  };
  return {
    start: arm,
    heard() {
      heard = true;
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

function decode(decoding: () => string): string {
  try {
    return decoding();
  } catch (cause) {
    throw new CcliError('cli_garbled', 'The CLI printed bytes that are not UTF-8 text.', { cause });
  }
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new CcliError('internal', 'A byte stream gave something else.');
}

const isPrematureClose = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
