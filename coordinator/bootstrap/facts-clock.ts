/** How far a host's clock is from ours, from two looks at it during one question. Pure. */
import type { HostFacts } from './facts.ts';

interface Looks {
  /** What the host said, first and last: milliseconds, or seconds where it knows no better. */
  readonly first: string | undefined;
  readonly last: string | undefined;
  /** Ours, before the question and after the answer. */
  readonly asked_ms: number;
  readonly answered_ms: number;
}

/** The first look was after the asking and the last one before the answer: what lies between them costs no precision. */
export function judgeClock({ first, last, asked_ms, answered_ms }: Looks): HostFacts['clock'] {
  const [begun, ended] = [readStamp(first), readStamp(last)];
  if (begun === undefined || ended === undefined) return { offset_ms: 0, uncertainty_ms: Infinity };
  const most = begun.latest_ms - asked_ms;
  const least = ended.earliest_ms - answered_ms;
  return {
    offset_ms: Math.round((most + least) / 2),
    uncertainty_ms: Math.max(Math.ceil((most - least) / 2), 0),
  };
}

function readStamp(text: string | undefined): { earliest_ms: number; latest_ms: number } | undefined {
  if (text === undefined || !/^\d{9,14}$/.test(text)) return undefined;
  const number = Number(text);
  // Seconds have so many digits until the year 2286.
  return text.length <= 10
    ? { earliest_ms: number * 1_000, latest_ms: number * 1_000 + 999 }
    : { earliest_ms: number, latest_ms: number + 1 };
}
