import { ERRORS } from '../../../protocol/errors.ts';
import { ok, rowOf, type Verdict, warn } from '../../../protocol/finding.ts';
import type { PromptResult } from '../prompts/tiny-prompt.ts';
import { isRateLimit, seconds } from './prompt.ts';

/** Prompts that were sent at one time, and how they ended. */
export interface Batch {
  readonly size: number;
  readonly results: readonly PromptResult[];
}

export interface Trial {
  readonly agent_id: string;
  readonly slots: number;
  /** The most that was to be tried. */
  readonly bound: number;
  /** Growing; the last one may have failed. */
  readonly batches: readonly Batch[];
}

export function judgeConcurrency({ agent_id, slots, bound, batches }: Trial): Verdict {
  const passed = batches.filter(isWhole);
  const best = passed.at(-1);
  const broken = batches.find(batch => !isWhole(batch));
  const growth = passed.map(batch => `${batch.size}: ${seconds(slowest(batch))}`).join(', ');
  const grew = growth === '' ? '' : ` (the slowest of each batch: ${growth})`;
  const reached = best === undefined ? 'None' : `${best.size} at a time`;
  const errors = broken?.results.flatMap(result => (result.ended === 'failed' ? [result.error] : [])) ?? [];
  const error = errors.find(isRateLimit) ?? errors[0];
  if (broken === undefined || error === undefined) {
    const more = slots > bound ? `; ${slots} slots are there, and ${bound} was the most to be tried` : '';
    return ok(`${reached} worked${grew}${more}.`, {
      agent_id,
      ...(best !== undefined && { took_ms: slowest(best) }),
    });
  }
  const failed = `of ${broken.size} at a time ${errors.length} failed with ${error.code}`;
  const mend = isRateLimit(error)
    ? `Let it take no more than its account allows: \`ccli agents update ${agent_id} --max-concurrent ${best?.size ?? 1}\`, or raise the quota.`
    : `${rowOf(error.code)[1]} Fewer at a time: \`ccli agents update ${agent_id} --max-concurrent ${best?.size ?? 1}\`.`;
  const why = ERRORS[error.code].says === error.message ? rowOf(error.code)[0] : error.message;
  return warn(`${reached} worked${grew}; ${failed}: ${why}`, mend, { agent_id, code: error.code });
}

export const isWhole = ({ results }: Batch): boolean => results.every(({ ended }) => ended === 'completed');

const slowest = ({ results }: Batch): number => Math.max(0, ...results.map(({ took_ms }) => took_ms));
