/** Bytes into lines, none longer than a limit. */
import { CcliError } from '../../protocol/errors.ts';

const LINE_END = 0x0a;

/** Without their ends; empty ones are left out. @throws CcliError `message_too_large` */
export async function* readLines(source: AsyncIterable<unknown>, max_bytes: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let held = 0;
  const hold = (part: Buffer): void => {
    parts.push(part);
    held += part.byteLength;
    if (held > max_bytes)
      throw new CcliError(
        'message_too_large',
        `A line has more than ${max_bytes} bytes, which is the limit.`,
      );
  };
  const take = (): Buffer => {
    const line = Buffer.concat(parts);
    parts = [];
    held = 0;
    return line;
  };
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) continue;
    const chunk = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let from = 0;
    for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, from)) {
      hold(chunk.subarray(from, at));
      from = at + 1;
      if (held > 0) yield take();
    }
    if (from < chunk.byteLength) hold(chunk.subarray(from));
  }
  if (held > 0) yield take();
}
