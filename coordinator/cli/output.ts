/** One of the two streams written to: whether it is a terminal, its colours, and what happens when its reader goes. */
import { stripVTControlCharacters } from 'node:util';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { OutputStream } from './io.ts';
import { type Colors, colorsFor } from './render/colors.ts';

export interface Output {
  readonly tty: boolean;
  readonly colors: Colors;
  /** Aborts when no more can be written: nobody reads any more, as with `| head`, or with `output_failed` as its reason. */
  readonly gone: AbortSignal;
  write(text: string): void;
  line(text: string): void;
  /** On a terminal: starts a new line unless at the start of one already. */
  freshLine(): void;
  /** @throws CcliError `output_failed` when what was written could not be, for another reason than a gone reader. */
  flush(): Promise<void>;
  close(): void;
}

const GONE = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'ERR_STREAM_DESTROYED']);

// Everything that moves a terminal's cursor or changes its state, but for newline, tab and carriage return.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** Text from elsewhere, made harmless to a terminal. */
export const safeForTerminal = (text: string): string => text.replace(CONTROL, '\u{fffd}');

export function createOutput(stream: OutputStream, environment: Environment): Output {
  const tty = stream.isTTY === true;
  const gone = new AbortController();
  let failure: CcliError | undefined;
  let atLineStart = true;
  const onError = (error: Error): void => {
    if (gone.signal.aborted) return;
    if ('code' in error && typeof error.code === 'string' && GONE.has(error.code)) {
      gone.abort();
      return;
    }
    failure = new CcliError('output_failed', undefined, { cause: error });
    gone.abort(failure);
  };
  // Called before the stream emits the error: what waits for the write must know already.
  const onWritten = (error: Error | null | undefined): void => {
    if (error instanceof Error) onError(error);
  };
  const onClose = (): void => {
    gone.abort();
  };
  stream.on('error', onError);
  // A stream closed from outside says nothing when it is written to.
  stream.on('close', onClose);
  const write = (text: string): void => {
    if (text === '' || gone.signal.aborted) return;
    atLineStart = stripVTControlCharacters(text).endsWith('\n');
    stream.write(text, onWritten);
  };
  return {
    tty,
    colors: colorsFor(tty, environment),
    gone: gone.signal,
    write,
    line(text) {
      write(`${text}\n`);
    },
    freshLine() {
      if (tty && !atLineStart) write('\n');
    },
    async flush() {
      if (!gone.signal.aborted && !stream.destroyed) {
        await new Promise<void>(resolve => {
          stream.write('', error => {
            onWritten(error);
            resolve();
          });
        });
      }
      if (failure !== undefined) throw failure;
    },
    close() {
      stream.off('error', onError);
      stream.off('close', onClose);
    },
  };
}
