/** A process for `runCli`: streams that remember, signals that a test sends. */
import { PassThrough, Readable } from 'node:stream';
import type { CliIo, Interrupt, OutputStream } from '../../../../coordinator/cli/io.ts';
import { runCli } from '../../../../coordinator/cli/run-cli.ts';
import { createSsh } from '../../../../coordinator/ssh/client.ts';
import type { Environment } from '../../../../protocol/daemon/settings.ts';
import { CcliError } from '../../../../protocol/errors.ts';

interface FakeOptions {
  readonly stdin?: string | Uint8Array;
  readonly stdinTty?: boolean;
  readonly tty?: boolean;
  readonly environment?: Environment;
  readonly startFleet?: CliIo['startFleet'];
  /** In place of the stream that remembers. */
  readonly stdout?: OutputStream;
}

export interface FakeRun {
  readonly io: CliIo;
  out(): string;
  err(): string;
  interrupt(signal?: Interrupt): void;
  /** How many listeners hold the signals. */
  listeners(): number;
}

function recorder(tty: boolean): { stream: OutputStream; text: () => string } {
  // The methods of a terminal that a spinner draws with.
  const terminal = { isTTY: true, cursorTo: () => true, clearLine: () => true, moveCursor: () => true };
  const stream = Object.assign(new PassThrough(), tty ? terminal : { isTTY: false });
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  return { stream, text: () => Buffer.concat(parts).toString() };
}

export function fakeIo(options: FakeOptions = {}): FakeRun {
  const { tty = false, stdin } = options;
  const out = recorder(tty);
  const err = recorder(tty);
  const listeners = new Set<(signal: Interrupt) => void>();
  const input = Readable.from(stdin === undefined ? [] : [Buffer.from(stdin)]);
  return {
    io: {
      stdin: Object.assign(input, { isTTY: options.stdinTty ?? false }),
      stdout: options.stdout ?? out.stream,
      stderr: err.stream,
      environment: { HOME: '/nonexistent', ...options.environment },
      onInterrupt: listener => {
        listeners.add(listener);
        return () => {
          listeners.delete(listener);
        };
      },
      startFleet: options.startFleet ?? (() => Promise.reject(new CcliError('start_failed'))),
      openSsh: ssh => Promise.resolve(createSsh(ssh)),
    },
    out: out.text,
    err: err.text,
    interrupt: (signal = 'SIGINT') => {
      for (const listener of listeners) listener(signal);
    },
    listeners: () => listeners.size,
  };
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function ccli(argv: readonly string[], options: FakeOptions = {}): Promise<Finished> {
  const run = fakeIo(options);
  const code = await runCli(argv, run.io);
  return { code, out: run.out(), err: run.err() };
}
