/**
 * Runs checks side by side, each within its own time: none that hangs, crashes or is cut short keeps the others from
 * being told. A check that needs another one is not begun unless that one has found nothing broken.
 */
import { CcliError, type ErrorCode } from '../errors.ts';
import { type Finding, fail, failure, rowOf, skipped, type Verdict } from '../finding.ts';
import { limitedSignal } from './limited-signal.ts';

export interface Check<C> {
  /** What its findings are called, unless they name themselves. */
  readonly id: string;
  /** What is being looked at, for whoever waits. */
  readonly title: string;
  readonly limit_ms: number;
  /** What it is when the time is over; no code when absent. */
  readonly late?: ErrorCode;
  /** Ids of checks that must not have failed, or been skipped. */
  readonly needs?: readonly string[];
  run(context: C, signal: AbortSignal): Promise<readonly Verdict[]>;
}

interface SuiteOptions {
  /** Whoever waits has had enough: what has not ended by then is skipped. */
  readonly signal: AbortSignal;
  readonly onStart?: (title: string) => void;
}

/** Never rejects. @returns in the order of the checks */
export async function runChecks<C>(
  checks: readonly Check<C>[],
  context: C,
  { signal, onStart }: SuiteOptions,
): Promise<Finding[]> {
  const runs = new Map<string, Promise<Finding[]>>();
  const findingsOf = async (check: Check<C>): Promise<Finding[]> => {
    const missing = await firstMissing(check, runs);
    const named = (verdict: Verdict): Finding => ({ ...verdict, check: verdict.check ?? check.id });
    if (missing !== undefined) return [named(skipped(`Not looked at: ${missing} comes first.`))];
    if (signal.aborted) return [named(INTERRUPTED)];
    onStart?.(check.title);
    return (await verdictsOf(check, context, signal)).map(named);
  };
  for (const check of checks) runs.set(check.id, findingsOf(check));
  return (await Promise.all(runs.values())).flat();
}

const INTERRUPTED = skipped('Interrupted before it ended.');

async function firstMissing<C>(
  { needs = [] }: Check<C>,
  runs: ReadonlyMap<string, Promise<Finding[]>>,
): Promise<string | undefined> {
  for (const id of needs) {
    const findings = (await runs.get(id)) ?? [];
    if (findings.some(({ outcome }) => outcome === 'fail' || outcome === 'skipped')) return id;
  }
  return undefined;
}

async function verdictsOf<C>(check: Check<C>, context: C, outer: AbortSignal): Promise<readonly Verdict[]> {
  const { signal, late, clear } = limitedSignal([outer], check.limit_ms);
  try {
    return await unlessAborted(check.run(context, signal), signal);
  } catch (error) {
    if (outer.aborted) return [INTERRUPTED];
    return [late() ? tooLate(check) : failure(error)];
  } finally {
    clear();
  }
}

function tooLate<C>({ limit_ms, late, title }: Check<C>): Verdict {
  const seconds = Math.ceil(limit_ms / 1_000);
  const says = `${title.charAt(0).toUpperCase()}${title.slice(1)} did not end within ${seconds} s.`;
  return late === undefined
    ? fail(says, 'Look whether what it asks hangs or is overloaded, then try again.')
    : fail(says, rowOf(late)[1], { code: late });
}

/** A check that does not listen to its signal is left behind: nobody waits for it. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(new CcliError('cancelled', undefined, { cause: signal.reason }));
    };
    signal.addEventListener('abort', onAbort);
  });
  if (signal.aborted) onAbort?.();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
