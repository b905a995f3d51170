/** Finds the line by which a command on a host says that it begins, and as which process: see `markedCommandLine`. */
import { randomBytes } from 'node:crypto';

export const newMark = (): string => `ccli-${randomBytes(12).toString('hex')}`;

/** A login shell that prints more than this before the command begins never gets to it. */
const NOISE_MAX_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

export class Marker {
  readonly #mark: Buffer;
  #held: Buffer = NOTHING;
  #found = false;
  #given_up = false;
  #pid: number | undefined;

  constructor(mark: string) {
    this.#mark = Buffer.from(`${mark} `);
  }

  /** Of the command, and of the process group it leads. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** @returns what of the chunk the command itself has written */
  take(chunk: Buffer): Buffer {
    if (this.#found || this.#given_up) return chunk;
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const at = this.#held.indexOf(this.#mark);
    const end = at === -1 ? -1 : this.#held.indexOf('\n', at);
    if (end !== -1) {
      const pid = Number(this.#held.toString('latin1', at + this.#mark.length, end));
      // 0 and 1 would be other groups than its own.
      if (Number.isSafeInteger(pid) && pid > 1) this.#pid = pid;
      this.#found = true;
      const rest = this.#held.subarray(end + 1);
      this.#held = NOTHING;
      return rest;
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
