/** One of the two streams written to: whether it is a terminal, its colours, and what happens when its reader goes. */
import { stripVTControlCharacters } from 'node:util';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { OutputStream } from './io.ts';
import { type Colors, colorsFor } from './render/colors.ts';

export interface Output {
  readonly tty: boolean;
  readonly colors: Colors;
  /** Aborts when nobody reads any more, as with `| head`. */
  readonly gone: AbortSignal;
  write(text: string): void;
  line(text: string): void;
  /** On a terminal: starts a new line unless at the start of one already. */
  freshLine(): void;
  /** @throws CcliError `internal` when what was written could not be, for another reason than a gone reader. */
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
  let failure: Error | undefined;
  let atLineStart = true;
  const onError = (error: Error): void => {
    if ('code' in error && typeof error.code === 'string' && GONE.has(error.code)) gone.abort();
    else failure ??= error;
  };
  const onClose = (): void => {
    gone.abort();
  };
  stream.on('error', onError);
  // A stream closed from outside says nothing when it is written to.
  stream.on('close', onClose);
  const write = (text: string): void => {
    if (text === '' || gone.signal.aborted || failure !== undefined) return;
    atLineStart = stripVTControlCharacters(text).endsWith('\n');
    stream.write(text);
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
      if (!gone.signal.aborted && failure === undefined && !stream.destroyed) {
        await new Promise<void>(resolve => {
          // The stream's own error listener has the reason, when there is one.
          stream.write('', () => {
            resolve();
          });
        });
      }
      if (failure !== undefined)
        throw new CcliError('internal', 'The output could not be written.', { cause: failure });
    },
    close() {
      stream.off('error', onError);
      stream.off('close', onClose);
    },
  };
}
