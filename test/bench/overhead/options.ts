import { parseArgs } from 'node:util';
import { CcliError } from '../../../protocol/errors.ts';

export interface OverheadOptions {
  readonly json: boolean;
  /** Also shows where the time of a warm prompt goes. */
  readonly stages: boolean;
  readonly pairs: number;
  readonly cold_pairs: number;
}

/** @throws CcliError `invalid_request` */
export function readOptions(args: readonly string[]): OverheadOptions {
  const { json, stages, pairs, 'cold-pairs': cold_pairs } = parse(args);
  return { json, stages, pairs: count('pairs', pairs), cold_pairs: count('cold-pairs', cold_pairs) };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        stages: { type: 'boolean', default: false },
        pairs: { type: 'string', default: '60' },
        'cold-pairs': { type: 'string', default: '10' },
      },
    }).values;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new CcliError('invalid_request', `${said} Options: --pairs N --cold-pairs N --stages --json.`, {
      cause,
    });
  }
}

function count(name: string, value: string): number {
  if (!/^\d{1,4}$/.test(value))
    throw new CcliError('invalid_request', `--${name} takes a number, at most 9999.`);
  return Number(value);
}
