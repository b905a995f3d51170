/** A failed run in words: which step, why, what to do, and how the host is now. */
import { CcliError } from '../../protocol/errors.ts';
import { namesOf } from './roll-back.ts';
import type { StepName } from './step.ts';

interface FailedRun {
  readonly host: string;
  readonly step: StepName;
  readonly error: unknown;
  readonly changed: boolean;
  readonly left: readonly { readonly what: string; readonly error: CcliError }[];
}

export function rolledBackError({ host, step, error, changed, left }: FailedRun): CcliError {
  const known = error instanceof CcliError ? error : undefined;
  const code = known === undefined || known.code === 'internal' ? 'bootstrap_failed' : known.code;
  const said = known?.message ?? 'something unforeseen went wrong.';
  // Words of another program need not end like a sentence.
  const what = /[.!?)]$/.test(said) ? said : `${said}.`;
  const [first] = left;
  const state =
    first === undefined
      ? changed
        ? `What was done is taken back: ${host} is as it was.`
        : `Nothing was changed on ${host}.`
      : `Not everything could be taken back (${first.error.message}): look at ${namesOf(left)} on ${host}, or run the same command again when the host answers.`;
  return new CcliError(code, `Step "${step}" on ${host}: ${what} ${state}`, {
    cause: known === undefined ? error : known.cause,
  });
}
