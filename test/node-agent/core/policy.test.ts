import { expect, test } from 'vitest';
import { narrower } from '../../../node-agent/core/policy.ts';

test.each([
  ['deny', undefined, 'deny'],
  ['auto_edit', undefined, 'auto_edit'],
  ['yolo', undefined, 'yolo'],
  ['deny', 'deny', 'deny'],
  ['deny', 'auto_edit', 'deny'],
  ['deny', 'yolo', 'deny'],
  ['auto_edit', 'deny', 'deny'],
  ['auto_edit', 'auto_edit', 'auto_edit'],
  ['auto_edit', 'yolo', 'auto_edit'],
  ['yolo', 'deny', 'deny'],
  ['yolo', 'auto_edit', 'auto_edit'],
  ['yolo', 'yolo', 'yolo'],
] as const)('an agent that allows %s and a task that asks for %s run under %s', (agent, task, policy) => {
  expect(narrower(agent, task)).toBe(policy);
});
