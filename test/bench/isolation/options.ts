import { parseArgs } from 'node:util';
import { CcliError } from '../../../protocol/errors.ts';

export interface IsolationOptions {
  readonly json: boolean;
  /** Batches on each of the three sides. */
  readonly rounds: number;
  /** Ollama tasks in a batch. */
  readonly tasks: number;
}

/** @throws CcliError `invalid_request` */
export function readOptions(args: readonly string[]): IsolationOptions {
  const { json, rounds, tasks } = parse(args);
  return { json, rounds: count('rounds', rounds), tasks: count('tasks', tasks) };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '8' },
        tasks: { type: 'string', default: '100' },
      },
    }).values;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new CcliError('invalid_request', `${said} Options: --rounds N --tasks N --json.`, { cause });
  }
}

function count(name: string, value: string): number {
  if (!/^[1-9]\d{0,3}$/.test(value))
    throw new CcliError('invalid_request', `--${name} takes a number from 1 to 9999.`);
  return Number(value);
}
