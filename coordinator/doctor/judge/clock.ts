import { ok, type Verdict, warn } from '../../../protocol/finding.ts';

export interface ClockFacts {
  /** Whose clock it is, for a sentence: `the NATS server`. */
  readonly whose: string;
  /** Theirs minus ours. */
  readonly offset_ms: number;
  /** It may be off by so much, either way. */
  readonly uncertainty_ms: number;
}

/** No decision compares two clocks; certificates, tokens and logs do. */
const TOLERATED_MS = 2_000;

export function judgeClock({ whose, offset_ms, uncertainty_ms }: ClockFacts): readonly Verdict[] {
  const off = Math.max(0, Math.abs(offset_ms) - uncertainty_ms);
  const about = seconds(Math.abs(offset_ms));
  if (off <= TOLERATED_MS) return [ok(`The clock of ${whose} agrees with ours within ${about}.`)];
  return [
    warn(
      `The clock of ${whose} is ${about} ${offset_ms > 0 ? 'ahead of' : 'behind'} ours: times in lists and logs do not fit together, and certificates may be refused.`,
      'Let both hosts keep time with NTP: `timedatectl set-ntp true`.',
    ),
  ];
}

const seconds = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
