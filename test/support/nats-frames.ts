/** The client protocol of NATS, cut into frames: https://docs.nats.io/reference/reference-protocols/nats-protocol */

/** One control line, with its payload if it has one. */
export interface Frame {
  /** In capitals: `PUB`, `HMSG`, `PING`, `-ERR`, … */
  readonly verb: string;
  /** Of a published or delivered message; empty otherwise. */
  readonly subject: string;
  readonly reply: string | undefined;
  /** `NATS/1.0\r\n…`; empty without. */
  readonly headers: Buffer;
  readonly payload: Buffer;
  /** All of it, as it came. */
  readonly bytes: Buffer;
}

const EMPTY = Buffer.alloc(0);
const LINE_END = Buffer.from('\r\n');

interface Head {
  readonly verb: string;
  readonly subject: string;
  readonly reply: string | undefined;
  readonly line_bytes: number;
  readonly header_bytes: number;
  /** Headers and payload. */
  readonly total_bytes: number;
}

/** Takes the stream as it comes, in pieces cut anywhere, and hands out whole frames. */
export class FrameParser {
  private parts: Buffer[] = [];
  private size = 0;
  private head: Head | undefined;

  /** The frames that this piece completes. */
  push(piece: Buffer): Frame[] {
    this.parts.push(piece);
    this.size += piece.byteLength;
    const frames: Frame[] = [];
    for (;;) {
      const frame = this.next();
      if (frame === undefined) return frames;
      frames.push(frame);
    }
  }

  /** What has come of a frame that is not whole. */
  rest(): Buffer {
    return Buffer.concat(this.parts);
  }

  private next(): Frame | undefined {
    this.head ??= this.readHead();
    const head = this.head;
    if (head === undefined) return undefined;
    const bodied = BODIED.has(head.verb);
    const end = head.line_bytes + (bodied ? head.total_bytes + LINE_END.byteLength : 0);
    // A large payload comes in many pieces: they are put together once, when the last one is there.
    if (this.size < end) return undefined;
    const all = this.joined();
    const bytes = all.subarray(0, end);
    this.keep(all.subarray(end));
    this.head = undefined;
    const body = head.line_bytes + head.header_bytes;
    return {
      verb: head.verb,
      subject: head.subject,
      reply: head.reply,
      headers: bodied ? bytes.subarray(head.line_bytes, body) : EMPTY,
      payload: bodied ? bytes.subarray(body, head.line_bytes + head.total_bytes) : EMPTY,
      bytes,
    };
  }

  private readHead(): Head | undefined {
    if (this.size === 0) return undefined;
    const all = this.joined();
    const end = all.indexOf(LINE_END);
    return end === -1 ? undefined : parseLine(all.toString('latin1', 0, end), end + LINE_END.byteLength);
  }

  private joined(): Buffer {
    const [first = EMPTY] = this.parts;
    if (this.parts.length < 2) return first;
    const all = Buffer.concat(this.parts);
    this.parts = [all];
    return all;
  }

  private keep(rest: Buffer): void {
    this.parts = rest.byteLength === 0 ? [] : [rest];
    this.size = rest.byteLength;
  }
}

const BODIED: ReadonlySet<string> = new Set(['PUB', 'HPUB', 'MSG', 'HMSG']);

function parseLine(line: string, line_bytes: number): Head {
  const [word = '', ...terms] = line.split(/[ \t]+/).filter(term => term !== '');
  const verb = word.toUpperCase();
  const plain: Head = { verb, subject: '', reply: undefined, line_bytes, header_bytes: 0, total_bytes: 0 };
  if (!BODIED.has(verb)) return plain;
  const headed = verb.startsWith('H');
  const total_bytes = Number(terms.pop());
  const header_bytes = headed ? Number(terms.pop()) : 0;
  const subject = terms.shift() ?? '';
  // A delivered message names its subscription before the reply subject.
  if (verb.endsWith('MSG')) terms.shift();
  if (!Number.isSafeInteger(total_bytes) || !Number.isSafeInteger(header_bytes))
    throw new Error(`not a line of the NATS protocol: ${line.slice(0, 200)}`);
  return { verb, subject, reply: terms[0], line_bytes, header_bytes, total_bytes };
}

/** Whether a subject fits a pattern with the wildcards `*` and `>`. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (tokens[index] === undefined || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}
