/** What the model service refuses fails with a code that says so, and never looks like an answer. */
import type { ErrorCode } from '../../protocol/errors.ts';
import { takesModel } from '../models.ts';
import { type Check, failedAs, failedWith, passed, quoted, skipped } from './check.ts';

export const NO_MODEL = 'ccli-verify-no-such-model';

/** Failures that do not tell what was wrong. */
const VAGUE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'internal',
  'empty_reply',
  'cli_silent',
  'cli_garbled',
  'task_timeout',
  'agent_restarted',
]);

export const checkError: Check = async ({ agent, run }) => {
  if (!takesModel(agent)) return skipped('The tool is told no model, so that none can be wrong.');
  const end = await run('Reply with the single word OK.', { model: NO_MODEL });
  if (end.failure === undefined)
    return failedAs('cli_garbled', `Asked for a model that does not exist, it answered ${quoted(end.text)}.`);
  return VAGUE.has(end.failure.code)
    ? failedWith(end.failure)
    : passed(`A model that does not exist fails with ${end.failure.code}.`);
};
