/**
 * Makes way for a task whose id an earlier one had, which has been purged since: what is remembered of that says
 * nothing about this one.
 */
import { isOfEarlierTask } from './core/admission.ts';
import { type AttemptId, type Journal, attemptKey as key } from './journal.ts';
import type { Past } from './past.ts';

interface EarlierOptions {
  readonly journal: Pick<Journal, 'seqOf' | 'forget'>;
  readonly past: Pick<Past, 'find' | 'drop' | 'phaseOf'>;
}

/** Once for requests that come together: the second must not forget what the first has become. */
export function createWayMaker({ journal, past }: EarlierOptions): (request: AttemptId) => Promise<void> {
  const underWay = new Map<string, Promise<void>>();

  /** On disk before in memory. */
  const forgetEarlier = async (request: AttemptId): Promise<void> => {
    for (const phase of ['done', 'refused'] as const) {
      const mark = past.find(phase, request);
      if (mark === undefined) continue;
      if (!isOfEarlierTask(mark.seq ?? (await journal.seqOf(phase, request)), request)) continue;
      await journal.forget(phase, request);
      past.drop(phase, request);
    }
  };

  return request => {
    const earlier = underWay.get(key(request));
    if (earlier !== undefined) return earlier;
    if (request.seq === undefined || past.phaseOf(request) === undefined) return Promise.resolve();
    const work = forgetEarlier(request).finally(() => underWay.delete(key(request)));
    underWay.set(key(request), work);
    return work;
  };
}
