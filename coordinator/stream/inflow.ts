/** Between where chunks come from and where they are told: holds the source while there is no room, not the chunks. */
import { createBell } from './bell.ts';
import type { Piece } from './order.ts';

/** `settle`: all that is kept has come. */
type Incoming = Piece | 'settle';

interface Inflow {
  push(next: Incoming): void;
  /** Resolves once everything that was pushed has been taken. */
  drained(): Promise<void>;
}

interface InflowOptions {
  readonly take: (next: Incoming) => void;
  /** Undefined when there is room, else when there is. */
  readonly room: () => Promise<void> | undefined;
  readonly source: { pause(): void; resume(): void };
}

/** What a pull of the source has asked for comes on top. */
const HELD_CHUNKS = 200;
const HELD_UNITS = 1024 * 1024;

export function createInflow({ take, room, source }: InflowOptions): Inflow {
  const empty = createBell();
  let held: Incoming[] = [];
  let held_units = 0;
  let taking = false;

  const takeAll = async (): Promise<void> => {
    taking = true;
    while (held.length > 0) {
      const batch = held;
      held = [];
      held_units = 0;
      for (const next of batch) {
        const wait = room();
        if (wait !== undefined) await wait;
        take(next);
      }
    }
    taking = false;
    source.resume();
    empty.ring();
  };

  return {
    push(next) {
      held.push(next);
      if (next !== 'settle') held_units += next.text.length;
      if (held.length > HELD_CHUNKS || held_units > HELD_UNITS) source.pause();
      if (!taking) void takeAll();
    },
    async drained() {
      while (taking) await empty.next();
    },
  };
}
