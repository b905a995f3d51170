import { expect, test } from 'vitest';
import { partId, readPartId } from '../../../coordinator/coordination/part-id.ts';
import { SPECIALTIES } from '../../../protocol/agent.ts';
import { TASK_ID_PATTERN } from '../../../protocol/subjects.ts';

test('every name is a task id and tells what it was made of', () => {
  for (const specialty of SPECIALTIES) {
    for (const place of [{ role: 'judge' as const }, { role: 'answer' as const, number: 16, of: 16 }]) {
      for (const id of ['c', 'C-1_of-2', 'x'.repeat(32)]) {
        const name = { ...place, specialty };
        const task_id = partId(id, name, 'a'.repeat(63));
        expect(task_id).toMatch(TASK_ID_PATTERN);
        expect(readPartId(id, task_id, 'a'.repeat(63))).toEqual(name);
      }
    }
  }
});

test('another agent, another coordination and another place have other names', () => {
  const name = { role: 'answer' as const, number: 1, of: 2, specialty: 'tester' as const };
  const names = [
    partId('c', name, 'a'),
    partId('c', name, 'b'),
    partId('d', name, 'a'),
    partId('c', { ...name, number: 2 }, 'a'),
    partId('c', { role: 'judge', specialty: 'tester' }, 'a'),
  ];
  expect(new Set(names).size).toBe(names.length);
});

test('a task that somebody else put into the group is none of ours', () => {
  const task_id = partId('c', { role: 'judge', specialty: 'tester' }, 'a');
  expect(readPartId('c', task_id, 'b')).toBeUndefined();
  expect(readPartId('d', task_id, 'a')).toBeUndefined();
  for (const other of [
    'c',
    'c-',
    'c-1of2',
    'c-1of2-tester-000000000000',
    'x-1of2-tester-0000',
    'c-judge-cook-000000000000',
  ])
    expect(readPartId('c', other, 'a')).toBeUndefined();
});
