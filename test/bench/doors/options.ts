import { parseArgs } from 'node:util';
import { CcliError } from '../../../protocol/errors.ts';

export interface DoorsOptions {
  readonly json: boolean;
  /** Requests of each door that are timed one at a time, each beside one of the bare dispatcher. */
  readonly pairs: number;
  /** Requests of each door that are sent as fast as they are answered. */
  readonly requests: number;
  /** Of those, how many at a time. */
  readonly in_flight: number;
}

const USAGE = 'Options: --pairs N --requests N --in-flight N --json.';

/** @throws CcliError `invalid_request` */
export function readOptions(args: readonly string[]): DoorsOptions {
  const values = parse(args);
  return {
    json: values.json,
    pairs: count('pairs', values.pairs),
    requests: count('requests', values.requests),
    in_flight: count('in-flight', values['in-flight']),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        pairs: { type: 'string', default: '200' },
        requests: { type: 'string', default: '1000' },
        'in-flight': { type: 'string', default: '16' },
      },
    }).values;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new CcliError('invalid_request', `${said} ${USAGE}`, { cause });
  }
}

function count(name: string, value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value))
    throw new CcliError('invalid_request', `--${name} takes a number from 1 to 99999. ${USAGE}`);
  return Number(value);
}
