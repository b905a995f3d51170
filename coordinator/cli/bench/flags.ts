/** Options of `ccli bench`. */
import { InvalidArgumentError } from 'commander';
import type { CommonFlags } from '../options.ts';
import type { SshFlags } from '../ssh-options.ts';

export interface BenchFlags extends CommonFlags, SshFlags {
  readonly runs: number;
  readonly prompt: string;
  readonly model?: string;
  readonly concurrency?: readonly number[];
  readonly ssh?: true;
  readonly save: boolean;
  readonly compare?: string;
  readonly yes?: true;
}

const MOST_AT_A_TIME = 256;
const MOST_LEVELS = 12;

/** `1,2,4`, in rising order and each once. */
export function parseLevels(text: string): readonly number[] {
  const levels = text.split(',').map(part => (/^\d{1,3}$/.test(part.trim()) ? Number(part) : 0));
  if (levels.length > MOST_LEVELS || levels.some(level => level < 1 || level > MOST_AT_A_TIME))
    throw new InvalidArgumentError(`Write it like 1,2,4: numbers from 1 to ${MOST_AT_A_TIME}.`);
  return [...new Set(levels)].sort((a, b) => a - b);
}
