/** Finds the line by which a command on a host says that it begins, and as which process: see `markedCommandLine`. */
import { randomBytes } from 'node:crypto';

/** Of a process group. */
export interface Leader {
  readonly pid: number;
  /** What no later process of this number has; undefined where the host does not tell. */
  readonly birth: { readonly boot: string; readonly start: string } | undefined;
}

export const newMark = (): string => `ccli-${randomBytes(12).toString('hex')}`;

/** A login shell that prints more than this before the command begins never gets to it. */
const NOISE_MAX_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);
/** The process, the boot of the host, and its line of /proc/PID/stat: see proc(5). */
const LINE = /^(\d+)(?: ([0-9a-f-]{36}) .*\) (.*))?/;
/** The third field is the first after the name; the moment it began is the 22nd. */
const START_FIELD = 22 - 3;

export class Marker {
  readonly #mark: Buffer;
  #held: Buffer = NOTHING;
  #found = false;
  #given_up = false;
  #leader: Leader | undefined;

  constructor(mark: string) {
    this.#mark = Buffer.from(`${mark} `);
  }

  /** The command itself, which leads a process group. */
  get leader(): Leader | undefined {
    return this.#leader;
  }

  /** @returns what of the chunk the command itself has written */
  take(chunk: Buffer): Buffer {
    if (this.#found || this.#given_up) return chunk;
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = this.#held.indexOf(this.#mark);
    // A login shell that says what it is told to do (`set -x`) says the mark too, with something else behind it.
    while (at !== -1) {
      const end = this.#held.indexOf('\n', at);
      if (end === -1) break;
      const said = LINE.exec(this.#held.toString('latin1', at + this.#mark.length, end));
      if (said !== null) {
        this.#leader = leaderOf(said);
        this.#found = true;
        const rest = this.#held.subarray(end + 1);
        this.#held = NOTHING;
        return rest;
      }
      at = this.#held.indexOf(this.#mark, at + 1);
    }
    if (this.#held.length <= NOISE_MAX_BYTES) return NOTHING;
    this.#given_up = true;
    return this.rest();
  }

  /** At the end: all there was, when the command never began, for it says why. */
  rest(): Buffer {
    const held = this.#held;
    this.#held = NOTHING;
    return held;
  }
}

function leaderOf([, digits = '', boot = '', fields = '']: RegExpExecArray): Leader | undefined {
  const pid = Number(digits);
  // 0 and 1 would be other groups than its own.
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const start = fields.split(' ')[START_FIELD] ?? '';
  return { pid, birth: /^\d+$/.test(start) ? { boot, start } : undefined };
}
