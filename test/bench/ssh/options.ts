import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CcliError } from '../../../protocol/errors.ts';

export interface SshBenchOptions {
  readonly json: boolean;
  /** Prompts on each road, one of each in turn. */
  readonly rounds: number;
  /** A script of nvm, for a machine that has none where it is looked for. */
  readonly nvm_sh: string | undefined;
}

const USAGE = 'Options: --pairs N --nvm-sh FILE --json.';

/** @throws CcliError `invalid_request` */
export function readOptions(args: readonly string[]): SshBenchOptions {
  const { json, pairs, 'nvm-sh': nvm_sh } = parse(args);
  if (!/^[1-9]\d{0,3}$/.test(pairs))
    throw new CcliError('invalid_request', `--pairs takes a number from 1 to 9999. ${USAGE}`);
  return { json, rounds: Number(pairs), nvm_sh: nvm_sh === undefined ? undefined : resolve(nvm_sh) };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        pairs: { type: 'string', default: '10' },
        'nvm-sh': { type: 'string' },
      },
    }).values;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new CcliError('invalid_request', `${said} ${USAGE}`, { cause });
  }
}
