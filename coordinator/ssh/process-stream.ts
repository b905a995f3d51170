/** The streams of a command on a host: those of its channel, without what the login shell said before it. */
import { Duplex, Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import type { Marker } from './marker.ts';

/** Its stdin and stdout. */
export class ProcessStream extends Duplex {
  readonly #channel: ClientChannel;
  readonly #forward: Forward;
  /** Of a write that the channel will never finish, once it is closed. */
  #writing: ((error?: Error | null) => void) | undefined;

  /** @param onMark called once it is known which process it is, and again */
  constructor(channel: ClientChannel, marker: Marker, onMark: () => void) {
    super({ allowHalfOpen: true });
    this.#channel = channel;
    this.#forward = forward(channel, marker, this, onMark);
    channel.on('close', () => {
      const writing = this.#writing;
      this.#writing = undefined;
      writing?.();
      this.end();
    });
  }

  /** Nothing more is written: what is under way may come, read or not, so that the channel sees its end. */
  letGo(): void {
    this.#forward.letGo();
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // What a command does not read any more goes nowhere. An error would take its unread output with it.
    if (!this.#channel.writable) {
      done();
      return;
    }
    this.#writing = done;
    this.#channel.write(chunk, () => {
      if (this.#writing !== done) return;
      this.#writing = undefined;
      done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // What is still to come is not for anybody, and must not hold up the end of the channel.
    this.#channel.resume();
    this.#channel.close();
    done(error);
  }
}

export class ProcessErrors extends Readable {
  readonly #source: Readable;
  readonly #forward: Forward;

  constructor(source: Readable, marker: Marker) {
    super();
    this.#source = source;
    this.#forward = forward(source, marker, this);
  }

  letGo(): void {
    this.#forward.letGo();
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.resume();
    done(error);
  }
}

interface Forward {
  readonly letGo: () => void;
}

function forward(
  source: Readable,
  marker: Marker,
  to: Readable,
  onMark: () => void = () => undefined,
): Forward {
  let held_back = true;
  const push = (bytes: Buffer): void => {
    if (bytes.length > 0 && !to.destroyed && !to.push(bytes) && held_back) source.pause();
  };
  source.on('data', (chunk: Buffer) => {
    push(marker.take(chunk));
    if (marker.leader !== undefined) onMark();
  });
  source.once('end', () => {
    push(marker.rest());
    if (!to.destroyed) to.push(null);
  });
  return {
    letGo() {
      held_back = false;
      source.resume();
    },
  };
}
