/** The compatibility suite, check by check, each within its own limit. */
import { VERIFY_CHECKS, type VerifyReply } from '../../protocol/control.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import { checkCancel } from './cancel.ts';
import { type Check, type Finding, failedWith, type Subject, skipped } from './check.ts';
import { checkError } from './error.ts';
import { checkJson } from './json.ts';
import { checkPrompt } from './prompt.ts';
import { checkStream } from './stream.ts';

type Name = (typeof VERIFY_CHECKS)[number];

const CHECKS: Readonly<Record<Name, Check>> = {
  prompt: checkPrompt,
  stream: checkStream,
  cancel: checkCancel,
  error: checkError,
  json: checkJson,
};

/** Never rejects. A tool that answers nothing at all is not asked for more. */
export async function runSuite(subject: Subject): Promise<VerifyReply['checks']> {
  const done: VerifyReply['checks'] = [];
  for (const check of VERIFY_CHECKS) {
    const mute = done.some(({ check: one, outcome }) => one === 'prompt' && outcome === 'failed');
    const began = performance.now();
    const finding = mute
      ? skipped('It did not answer the first prompt.')
      : await safely(CHECKS[check], subject);
    done.push({ check, ...onWire(finding), took_ms: Math.round(performance.now() - began) });
  }
  return done;
}

/** Nothing could be asked of a tool that is not there. */
export const notBegun = (error: CcliError): VerifyReply['checks'] =>
  VERIFY_CHECKS.map((check, index) => ({
    check,
    ...onWire(index === 0 ? failedWith(error) : skipped('The tool could not be made ready.')),
    took_ms: 0,
  }));

async function safely(check: Check, subject: Subject): Promise<Finding> {
  try {
    return await check(subject);
  } catch (error) {
    return failedWith(
      error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error }),
    );
  }
}

const MAX_DETAIL_CHARS = 1_000;

const onWire = ({ outcome, detail, error }: Finding) => ({
  outcome,
  detail: detail.slice(0, MAX_DETAIL_CHARS),
  ...(error !== undefined && { error: toErrorBody(error) }),
});
