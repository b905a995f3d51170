import { describe, expect, test } from 'vitest';
import {
  hear,
  isContested,
  isLost,
  leave,
  type NodeChange,
  type NodeRecord,
} from '../../../coordinator/core/liveness.ts';
import type { Advert } from '../../../protocol/advert.ts';
import { advertOf } from '../../support/advert.ts';

const INTERVAL_MS = 1_000;
const LOST_MS = 3 * INTERVAL_MS;

const advert = (instance_id: string, seq: number): Advert =>
  advertOf({ instance_id, seq, interval_ms: INTERVAL_MS });

/** Listens as the fleet does: an instance that another one has replaced is retired. */
function listen() {
  let record: NodeRecord | undefined;
  const retired = new Set<string>();
  return {
    hear(instance_id: string, seq: number, at_ms: number): NodeChange {
      const before = record?.advert.instance_id;
      const heard = hear(record, advert(instance_id, seq), at_ms, retired);
      if (heard.change === 'restarted' && before !== undefined) retired.add(before);
      record = heard.record;
      return heard.change;
    },
    /** Who speaks for the node at this time. */
    at(now_ms: number): string {
      if (record === undefined) return 'nobody';
      if (isContested(record, now_ms)) return 'contested';
      return isLost(record, now_ms) ? 'lost' : `${record.advert.instance_id} #${record.advert.seq}`;
    },
  };
}

describe('a node', () => {
  test('joins with its first advert and is lost after three silent intervals', () => {
    const node = listen();
    expect(node.hear('a', 1, 0)).toBe('joined');
    expect(node.at(LOST_MS)).toBe('a #1');
    expect(node.at(LOST_MS + 1)).toBe('lost');
    expect(node.hear('a', 2, 60_000)).toBe('none');
    expect(node.at(60_000)).toBe('a #2');
  });

  test('is believed its newest word when an older advert is late', () => {
    const node = listen();
    node.hear('a', 5, 0);
    expect(node.hear('a', 4, 10)).toBe('none');
    expect(node.at(10)).toBe('a #5');
    // The late one is no sign of life either.
    expect(node.at(LOST_MS + 1)).toBe('lost');
  });

  test('restarts when a new instance speaks and the old one stays silent', () => {
    const node = listen();
    node.hear('a', 9, 0);
    expect(node.hear('b', 1, 500)).toBe('restarted');
    expect(node.at(500)).toBe('b #1');
    expect(node.hear('b', 2, 1_500)).toBe('none');
    expect(node.at(1_500)).toBe('b #2');
  });

  test('restarts again and again', () => {
    const node = listen();
    node.hear('a', 1, 0);
    expect(['b', 'c', 'd'].map((instance, index) => node.hear(instance, 1, index))).toEqual([
      'restarted',
      'restarted',
      'restarted',
    ]);
    expect(node.at(2)).toBe('d #1');
  });

  test('is contested while two daemons speak in its name, and gets over it when one falls silent', () => {
    const node = listen();
    node.hear('a', 1, 0);
    expect(node.hear('b', 1, 100)).toBe('restarted');
    expect(node.hear('a', 2, 1_000)).toBe('contested');
    expect(node.at(1_000)).toBe('contested');
    node.hear('b', 2, 1_100);
    expect(node.at(1_100)).toBe('contested');
    for (let seq = 3; seq < 6; seq += 1) node.hear('b', seq, seq * 1_000);
    expect(node.at(5_000)).toBe('b #5');
  });

  test('goes back to the earlier daemon when the later one is the one that falls silent', () => {
    const node = listen();
    node.hear('a', 1, 0);
    node.hear('b', 1, 100);
    const changes = [1, 2, 3, 4, 5].map(second => node.hear('a', second + 1, second * 1_000));
    expect(changes).toEqual(['contested', 'contested', 'contested', 'restarted', 'none']);
    expect(node.at(5_000)).toBe('a #6');
    // The later one is the intruder now.
    expect(node.hear('b', 2, 5_500)).toBe('contested');
  });

  test('is contested for a while by a last advert of the old life that comes late', () => {
    const node = listen();
    node.hear('a', 1, 0);
    node.hear('b', 1, 10);
    expect(node.hear('a', 2, 20)).toBe('contested');
    for (let seq = 2; seq < 5; seq += 1) node.hear('b', seq, seq * 1_000);
    expect(node.at(4_000)).toBe('b #4');
  });
});

describe('a daemon that says that it leaves', () => {
  const leaving = (instance_id: string): Advert => ({ ...advert(instance_id, 9), leaving: true });

  test('is lost at once', () => {
    const { record } = hear(undefined, advert('one', 1), 0, new Set());
    expect(isLost(leave(record, leaving('one'), 10), 10)).toBe(true);
  });

  test('leaves its name to the other of two', () => {
    const first = hear(undefined, advert('one', 1), 0, new Set()).record;
    const second = hear(first, advert('two', 1), 10, new Set()).record;
    const both = hear(second, advert('one', 2), 20, new Set(['one'])).record;
    expect(isContested(both, 30)).toBe(true);
    for (const [gone, stays] of [
      ['one', 'two'],
      ['two', 'one'],
    ] as const) {
      const left = leave(both, leaving(gone), 30);
      expect([left.advert.instance_id, isContested(left, 30), isLost(left, 30)]).toEqual([
        stays,
        false,
        false,
      ]);
    }
  });

  test('changes nothing for an instance that nobody speaks of any more', () => {
    const { record } = hear(undefined, advert('two', 1), 0, new Set());
    expect(leave(record, leaving('one'), 10)).toEqual(record);
  });
});
