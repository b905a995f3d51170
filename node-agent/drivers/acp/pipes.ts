/** The two pipes of a process that speaks the protocol, and an end to one that only floods them. */
import { Writable } from 'node:stream';
import { CcliError } from '../../../protocol/errors.ts';
import type { ToolProcess } from '../../process/spawn.ts';
import { messageLines } from './message-lines.ts';

const MIB = 1024 * 1024;

/** A single message of the CLI may hold a whole file. */
export const MAX_LINE_BYTES = 32 * MIB;
/** It says what it can do, and no more, before it is asked for anything. */
const MAX_BEFORE_READY_BYTES = 8 * MIB;
/** Between two tasks it has little to tell. */
const MAX_UNWANTED_BYTES = 64 * MIB;
/** What may come while the process takes nothing in: each of its requests would leave an answer waiting here. */
const MAX_UNHEARD_BYTES = 8 * MIB;

interface PipesOptions {
  readonly onBytes: () => void;
  /** To end the process; comes once. */
  readonly onFlood: (error: CcliError) => void;
  /** Whether somebody waits for what it says. */
  readonly wanted: () => boolean;
}

interface Pipes {
  readonly input: WritableStream<Uint8Array>;
  readonly output: ReadableStream<Uint8Array>;
  /** It has answered as the protocol has it. */
  trust(): void;
}

export function createPipes({ stdin, stdout }: ToolProcess, options: PipesOptions): Pipes {
  let trusted = false;
  let before_ready = 0;
  let unwanted = 0;
  let unheard = 0;
  const stdin_gate = watchWrites(stdin);

  const count = (bytes: number): void => {
    options.onBytes();
    if (!trusted) before_ready += bytes;
    unwanted = options.wanted() ? 0 : unwanted + bytes;
    unheard = stdin_gate.waiting ? unheard + bytes : 0;
    if (before_ready > MAX_BEFORE_READY_BYTES) throw flood(before_ready, 'before it answered at all');
    if (unwanted > MAX_UNWANTED_BYTES) throw flood(unwanted, 'while no task ran');
  };
  const lines = messageLines(stdout, {
    max_line_bytes: MAX_LINE_BYTES,
    onBytes: count,
    mayGoOn: async () => {
      if (unheard <= MAX_UNHEARD_BYTES) return;
      await stdin_gate.idle();
      unheard = 0;
    },
  });
  return {
    input: stdin_gate.stream,
    output: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const next = await lines.next();
            if (next.done === true) controller.close();
            else controller.enqueue(next.value);
          } catch (error) {
            if (error instanceof CcliError) options.onFlood(error);
            controller.error(error);
          }
        },
        cancel() {
          stdout.destroy();
        },
      },
      // Nothing is read that nobody has asked for: the process waits.
      { highWaterMark: 0 },
    ),
    trust() {
      trusted = true;
    },
  };
}

interface Gate {
  readonly stream: WritableStream<Uint8Array>;
  /** Whether something that was written has not been taken in yet. */
  readonly waiting: boolean;
  /** Settles once nothing waits; never, where the process takes nothing in any more. */
  idle(): Promise<void>;
}

function watchWrites(stdin: Writable): Gate {
  const writer = Writable.toWeb(stdin).getWriter();
  let waiting = false;
  let wake: (() => void)[] = [];
  return {
    stream: new WritableStream<Uint8Array>({
      async write(bytes) {
        waiting = true;
        try {
          await writer.write(bytes);
        } finally {
          waiting = false;
          // The next one comes at once, if there is one.
          setImmediate(() => {
            if (waiting) return;
            for (const one of wake) one();
            wake = [];
          });
        }
      },
      close: () => writer.close(),
      abort: reason => writer.abort(reason),
    }),
    get waiting() {
      return waiting;
    },
    idle: () =>
      new Promise(resolve => {
        if (waiting) wake.push(resolve);
        else resolve();
      }),
  };
}

const flood = (bytes: number, when: string): CcliError =>
  new CcliError(
    'cli_garbled',
    `The CLI printed ${Math.round(bytes / MIB)} MiB ${when} and was ended; check its \`command\` and \`args\`.`,
  );
