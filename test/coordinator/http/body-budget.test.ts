import { expect, test } from 'vitest';
import { createBodyBudget } from '../../../coordinator/http/body-budget.ts';

const overloaded: unknown = expect.objectContaining({ code: 'overloaded', retry_after_ms: 1_000 });

test('bounds what all bodies hold together, and takes it back', () => {
  const budget = createBodyBudget({ limit: 100, per_client: 100 });
  const one = budget.open('ada');
  const other = budget.open('bob');
  one.take(60);
  other.take(40);
  expect(() => {
    other.take(1);
  }).toThrow(overloaded);
  expect(budget.bytes).toBe(100);
  one.release();
  one.release();
  expect(budget.bytes).toBe(40);
  other.take(60);
  other.release();
  expect(budget.bytes).toBe(0);
});

test('leaves room for others, however much one client sends', () => {
  const budget = createBodyBudget({ limit: 100, per_client: 50 });
  const first = budget.open('ada');
  const second = budget.open('ada');
  first.take(30);
  second.take(20);
  expect(() => {
    second.take(1);
  }).toThrow(overloaded);
  budget.open('bob').take(50);
  first.release();
  second.release();
  expect(budget.bytes).toBe(50);
  budget.open('ada').take(50);
});
