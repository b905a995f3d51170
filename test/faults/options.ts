/** `--tasks 2000 --minutes 5 [--seed N]`, or `--short`. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

export interface Options {
  readonly tasks: number;
  /** How long the storm lasts. */
  readonly storm_ms: number;
  readonly seed: number;
  /** Of each kind done to daemons. */
  readonly faults_each: number;
  /** Tasks that meet each fault of their tool. */
  readonly faulty_tasks: number;
  /** How often each kind must have happened. */
  readonly required: number;
  /** How long after the storm everything may take to end. */
  readonly patience_ms: number;
  /** Whether logs and stores stay although all went well. */
  readonly keep: boolean;
}

const LONG = { tasks: 2_000, minutes: 5 };
const SHORT = { tasks: 250, minutes: 1 };
const MINUTE_MS = 60_000;

/** @throws Error when an option is none of these, or no number. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tasks: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      short: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const size = values.short ? SHORT : LONG;
  const tasks = positive('tasks', values.tasks) ?? size.tasks;
  const minutes = positive('minutes', values.minutes) ?? size.minutes;
  const long = minutes >= LONG.minutes && tasks >= LONG.tasks;
  return {
    tasks: Math.ceil(tasks),
    storm_ms: minutes * MINUTE_MS,
    seed: positive('seed', values.seed) ?? randomInt(1, 2 ** 31),
    faults_each: Math.max(2, Math.round(minutes * 4.8)),
    faulty_tasks: Math.max(2, Math.round(tasks * 0.0165)),
    required: long ? 20 : 1,
    patience_ms: Math.max(minutes, 2) * MINUTE_MS,
    keep: values.keep,
  };
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`--${name} must be a number above 0, not "${text}"`);
}
