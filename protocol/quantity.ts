/** Durations and sizes as people write them in files and flags. */
import { z } from 'zod';

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const parser = (units: Readonly<Record<string, number>>) => {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)\\s*(${Object.keys(units).join('|')})$`);
  return (text: string): number | undefined => {
    const [, amount, unit] = pattern.exec(text.trim()) ?? [];
    const factor = unit === undefined ? undefined : units[unit];
    return amount === undefined || factor === undefined ? undefined : Math.round(Number(amount) * factor);
  };
};

/** `300s`, `5m`, `250ms` in milliseconds; undefined for anything else. */
export const parseDuration = parser(DURATION_MS);
/** `8MiB`, `512KiB`, `100B` in bytes; undefined for anything else. */
export const parseSize = parser(SIZE_BYTES);

/** A timer set for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const quantity = (parse: (text: string) => number | undefined, example: string, most: number) =>
  z.string(`expected something like ${example}`).transform((text, context) => {
    const value = parse(text);
    if (value === undefined || value <= 0 || value > most) {
      context.addIssue({ code: 'custom', message: `expected something like ${example}, got "${text}"` });
      return z.NEVER;
    }
    return value;
  });

export const DurationSchema = quantity(parseDuration, '300s, 5m or 1h', LONGEST_TIMER_MS);
/** A duration that no timer is set for. */
export const PeriodSchema = quantity(parseDuration, '1h, 7d or 90d', Number.MAX_SAFE_INTEGER);
export const SizeSchema = quantity(parseSize, '8MiB or 512KiB', Number.MAX_SAFE_INTEGER);
