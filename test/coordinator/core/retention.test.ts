import { describe, expect, test } from 'vitest';
import { type EndedTask, toPurge } from '../../../coordinator/core/retention.ts';
import { seeded } from '../../support/random.ts';

const LIMITS = { max_age_ms: 100, max_tasks: 3, min_age_ms: 10 };

/** `a:5 b:120`: ids with how long ago each ended, in order of arrival. */
const tasks = (text: string): EndedTask[] =>
  text.split(' ').flatMap((word, index) => {
    const [task_id, age] = word.split(':');
    return task_id === undefined || age === undefined
      ? []
      : [{ task_id, seq: index + 1, ended_age_ms: Number(age) }];
  });

interface Asked {
  readonly used?: number;
  readonly batch?: number;
}

const purged = (text: string, { used = 0, batch = 100 }: Asked = {}): string =>
  toPurge({ ended: tasks(text), limits: LIMITS, used_share: used, batch })
    .map(({ task_id }) => task_id)
    .join(' ');

describe('of the history', () => {
  test.each<[string, string, Asked, string]>([
    ['nothing goes while there is room', 'a:90 b:50 c:20', {}, ''],
    ['what is too old goes', 'a:101 b:100 c:20', {}, 'a'],
    ['what is too old goes oldest first', 'a:101 b:150 c:120', {}, 'b c a'],
    ['of too many, the oldest go', 'a:50 b:90 c:20 d:30 e:40', {}, 'b a'],
    ['of those that ended together, the first to come goes', 'a:50 b:50 c:50 d:50', {}, 'a'],
    ['too many that ended just now stay', 'a:9 b:8 c:7 d:6 e:5', {}, ''],
    ['a store that fills up loses its oldest', 'a:50 b:90 c:20', { used: 0.7 }, 'b a c'],
    ['a store below its mark loses nothing', 'a:50 b:90 c:20', { used: 0.69 }, ''],
    ['a store that fills up keeps what ended just now', 'a:50 b:9 c:10', { used: 0.99 }, 'a c'],
    ['a turn takes no more than a batch', 'a:101 b:150 c:120', { batch: 2 }, 'b c'],
    ['nothing comes of nothing', '', { used: 1 }, ''],
  ])('%s', (_what, ended, asked, expected) => {
    expect(purged(ended, asked)).toBe(expected);
  });

  test('whatever it is like: no younger one goes before an older one, and none that must stay', () => {
    const random = seeded(3);
    for (let round = 0; round < 300; round += 1) {
      const ended = Array.from({ length: random.between(0, 12) }, (_, index) => ({
        task_id: `t${index}`,
        seq: index + 1,
        ended_age_ms: random.between(0, 130),
      }));
      const used_share = random.next();
      const gone = toPurge({ ended, limits: LIMITS, used_share, batch: 100 });
      const ages = gone.map(({ ended_age_ms }) => ended_age_ms);
      expect(ages).toEqual([...ages].sort((a, b) => b - a));
      expect(ages.every(age => age >= LIMITS.min_age_ms)).toBe(true);
      const kept = ended.filter(task => !gone.includes(task));
      const youngest_gone = Math.min(...ages);
      expect(kept.every(({ ended_age_ms }) => ended_age_ms <= youngest_gone)).toBe(true);
      const old_enough = kept.filter(({ ended_age_ms }) => ended_age_ms >= LIMITS.min_age_ms);
      if (kept.length > LIMITS.max_tasks) expect(old_enough).toEqual([]);
      expect(kept.every(({ ended_age_ms }) => ended_age_ms <= LIMITS.max_age_ms)).toBe(true);
    }
  });
});
