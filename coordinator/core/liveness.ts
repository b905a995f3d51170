/** Who speaks for a node, from the adverts heard so far. Times are this coordinator's own monotonic clock. */
import type { Advert } from '../../protocol/advert.ts';
import { LOST_AFTER_INTERVALS } from '../../protocol/limits.ts';

interface Heard {
  readonly advert: Advert;
  readonly at_ms: number;
}

/** `rival`: an earlier instance that spoke again after a later one had: two daemons share one name. */
export interface NodeRecord extends Heard {
  readonly rival?: Heard;
}

export type NodeChange = 'joined' | 'restarted' | 'contested' | 'none';

const silent = ({ advert, at_ms }: Heard, now_ms: number): boolean =>
  now_ms - at_ms > LOST_AFTER_INTERVALS * advert.interval_ms;

/**
 * A restart shows as a new instance after which the old one stays silent; anything else is two daemons, until one of
 * them has been silent for long enough.
 */
export function hear(
  record: NodeRecord | undefined,
  advert: Advert,
  now_ms: number,
  retired: ReadonlySet<string>,
): { record: NodeRecord; change: NodeChange } {
  const heard: Heard = { advert, at_ms: now_ms };
  if (record === undefined) return { record: heard, change: 'joined' };
  if (record.advert.instance_id === advert.instance_id) {
    // An older advert of the same instance that was overtaken tells nothing new.
    if (advert.seq < record.advert.seq) return { record, change: 'none' };
    const rival = record.rival !== undefined && !silent(record.rival, now_ms) ? { rival: record.rival } : {};
    return { record: { ...heard, ...rival }, change: 'none' };
  }
  if (retired.has(advert.instance_id) && !silent(record, now_ms))
    return { record: { ...record, rival: heard }, change: 'contested' };
  return { record: heard, change: 'restarted' };
}

/**
 * A daemon's last advert: it is gone at once, and whoever shares its name speaks alone again. Its attempts stay where
 * they are for as long as those of any silent node, since their reports may still be on their way.
 */
export function leave(record: NodeRecord | undefined, advert: Advert, now_ms: number): NodeRecord {
  const gone: Heard = { advert, at_ms: now_ms - LOST_AFTER_INTERVALS * advert.interval_ms - 1 };
  if (record === undefined) return gone;
  const { rival, ...own } = record;
  if (record.advert.instance_id !== advert.instance_id) {
    return rival?.advert.instance_id === advert.instance_id ? own : record;
  }
  return rival !== undefined && !silent(rival, now_ms) ? rival : gone;
}

export const isLost = (record: NodeRecord, now_ms: number): boolean => silent(record, now_ms);

export const isContested = (record: NodeRecord, now_ms: number): boolean =>
  record.rival !== undefined && !silent(record.rival, now_ms);
