/** Cuts what a process prints into the lines that may be messages of the protocol, no faster than they are taken. */
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CcliError } from '../../../protocol/errors.ts';

interface LinesOptions {
  readonly max_line_bytes: number;
  /** Called for what comes, before it is looked at; what it throws is thrown. */
  readonly onBytes: (bytes: number) => void;
  /** Awaited before more is read. */
  readonly mayGoOn: () => Promise<void>;
}

const MIB = 1024 * 1024;
/** Some print words of their own among the messages: these are left out, and so many in a row are no protocol. */
const MAX_STRAY_BYTES = 8 * MIB;
/** The event loop is not kept for longer by one process. */
const TURN_MS = 10;
const LINE_END = 0x0a;
const BRACE = 0x7b;

/** @throws CcliError `cli_garbled`: it speaks something else. */
export async function* messageLines(stdout: Readable, options: LinesOptions): AsyncGenerator<Uint8Array> {
  let open: Buffer[] = [];
  let open_bytes = 0;
  let stray = 0;
  let began = performance.now();
  const hold = (part: Buffer): void => {
    if (part.byteLength === 0) return;
    open.push(part);
    open_bytes += part.byteLength;
    const limit = open[0]?.[0] === BRACE ? options.max_line_bytes : MAX_STRAY_BYTES;
    if (open_bytes > limit) throw notProtocol(open_bytes);
  };
  const close = (): Buffer => {
    const line = open.length === 1 ? (open[0] ?? Buffer.alloc(0)) : Buffer.concat(open);
    open = [];
    open_bytes = 0;
    return line;
  };
  for await (const chunk of chunksOf(stdout)) {
    options.onBytes(chunk.byteLength);
    let from = 0;
    for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, from)) {
      hold(chunk.subarray(from, at + 1));
      from = at + 1;
      const line = close();
      if (isMessage(line)) {
        stray = 0;
        yield line;
      } else {
        stray += line.byteLength;
        if (stray > MAX_STRAY_BYTES) throw notProtocol(stray);
      }
      if (performance.now() - began < TURN_MS) continue;
      await nextTurn();
      began = performance.now();
    }
    hold(chunk.subarray(from));
    await options.mayGoOn();
  }
  const last = close();
  if (isMessage(last)) yield last;
}

/** Each message names the protocol's version. */
const isMessage = (line: Buffer): boolean =>
  line.subarray(0, 100).toString('latin1').trimStart().startsWith('{') && line.includes('"jsonrpc"');

async function* chunksOf(stdout: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stdout) if (chunk instanceof Buffer) yield chunk;
  } catch (error) {
    // Closed by us, with the process.
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'))
      throw error;
  }
}

const notProtocol = (bytes: number): CcliError =>
  new CcliError(
    'cli_garbled',
    `The CLI printed ${Math.round(bytes / MIB)} MiB that are not its protocol and was ended; check its \`command\` and \`args\`.`,
  );
