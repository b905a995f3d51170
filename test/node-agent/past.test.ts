import { expect, test } from 'vitest';
import { createPast } from '../../node-agent/past.ts';

const id = (task_id: string) => ({ task_id, attempt: 1 });

function pastOf(keep: number) {
  const forgotten: string[] = [];
  const past = createPast({
    keep,
    forget: (phase, { task_id }) => {
      forgotten.push(`${phase} ${task_id}`);
    },
  });
  return { past, forgotten };
}

test('the oldest of what is over is forgotten on disk as well, each kind by itself', () => {
  const { past, forgotten } = pastOf(2);
  past.restore({ done: [id('a'), id('b')], refused: [id('x')] });
  past.remember('done', id('c'));
  past.remember('refused', id('y'));
  expect(forgotten).toEqual(['done a']);
  expect(past.phaseOf(id('a'))).toBeUndefined();
  expect(past.phaseOf(id('b'))).toBe('done');
  past.remember('done', id('b'));
  past.remember('done', id('c'));
  expect(forgotten).toEqual(['done a']);
  expect(past.phaseOf(id('x'))).toBe('refused');
});

test('what was both refused and done is done', () => {
  const { past } = pastOf(2);
  past.remember('refused', id('a'));
  past.remember('done', id('a'));
  expect(past.phaseOf(id('a'))).toBe('done');
  past.clear();
  expect(past.phaseOf(id('a'))).toBeUndefined();
});

test('what is dropped is forgotten in its phase alone, and what this life has met keeps its task', () => {
  const { past, forgotten } = pastOf(2);
  past.restore({ done: [id('a')], refused: [] });
  past.remember('refused', { ...id('a'), seq: 5 });
  expect(past.find('done', id('a'))?.seq).toBeUndefined();
  expect(past.find('refused', id('a'))?.seq).toBe(5);
  past.drop('done', id('a'));
  expect(past.phaseOf(id('a'))).toBe('refused');
  expect(forgotten).toEqual([]);
});
