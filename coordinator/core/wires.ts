/** Over which wires a node is heard: NATS, or a line of the coordinator that leads. Times are on one monotonic clock. */
import type { Advert } from '../../protocol/advert.ts';
import { ADVERT_INTERVAL_MS, LOST_AFTER_INTERVALS } from '../../protocol/limits.ts';

export interface Wires {
  readonly interval_ms: number;
  /** Of its last advert over NATS. */
  readonly nats_at_ms?: number;
  /** Of its last advert over a line that has not ended. */
  readonly line_at_ms?: number;
  /** It was heard over a line while NATS had nothing from it. Only an advert over NATS takes that back. */
  readonly by_line: boolean;
  /** Its daemon has said that it stops, and nothing was heard since. */
  readonly left: boolean;
}

/** When we hear what. */
export interface Hearing {
  /** Now; or since when we have been deaf to NATS. */
  readonly now_ms: number;
  /** Nothing can have been heard over NATS before. */
  readonly since_ms: number;
}

export const NO_WIRES: Wires = { interval_ms: ADVERT_INTERVAL_MS, by_line: false, left: false };

const patience = ({ interval_ms }: Wires): number => LOST_AFTER_INTERVALS * interval_ms;

/** How long NATS has brought nothing from it that it could have brought. */
export const natsSilence = (wires: Wires, { now_ms, since_ms }: Hearing): number =>
  Math.max(0, now_ms - Math.max(wires.nats_at_ms ?? since_ms, since_ms));

const onNats = (wires: Wires, hearing: Hearing): boolean =>
  wires.nats_at_ms !== undefined && !wires.left && natsSilence(wires, hearing) <= patience(wires);

export const heardOnNats = (wires: Wires, { interval_ms, leaving }: Advert, now_ms: number): Wires => ({
  ...wires,
  interval_ms,
  nats_at_ms: now_ms,
  by_line: false,
  left: leaving,
});

/** A stand-in that stops has done its part; that its daemon is to stay away is for the daemon to say. */
export function heardOnLine(wires: Wires, advert: Advert, now_ms: number, hearing: Hearing): Wires {
  const { interval_ms, leaving, stand_in } = advert;
  if (leaving) {
    const ended = lineEnded(wires);
    return stand_in === true ? ended : { ...ended, left: true };
  }
  const by_line = wires.by_line || !onNats(wires, hearing);
  return { ...wires, interval_ms, line_at_ms: now_ms, by_line, left: false };
}

export function lineEnded({ line_at_ms: _ended, ...wires }: Wires): Wires {
  return wires;
}

/** Whether a line to it is there. */
export const isLined = (wires: Wires, now_ms: number): boolean =>
  wires.line_at_ms !== undefined && now_ms - wires.line_at_ms <= patience(wires);

/** Whether NATS has been silent about it for as long as makes a node lost. */
export const isOffNats = (wires: Wires, hearing: Hearing): boolean =>
  natsSilence(wires, hearing) > patience(wires);
