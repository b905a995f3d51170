import { expect, test } from 'vitest';
import { createStreamGate } from '../../../coordinator/http/stream-gate.ts';

test('lets each client have so many streams, and tells which limit was met', () => {
  const gate = createStreamGate(2);
  const leave = gate.enter('ada');
  gate.enter('ada');
  expect(() => gate.enter('ada')).toThrow(expect.objectContaining({ code: 'too_many_streams' }));
  gate.enter('bob');
  expect(gate.open).toBe(3);
  leave();
  gate.enter('ada');
  expect(gate.open).toBe(3);
});

test('counts a stream that is left twice once', () => {
  const gate = createStreamGate(1);
  const leave = gate.enter('ada');
  leave();
  leave();
  expect(gate.open).toBe(0);
  gate.enter('ada');
  leave();
  expect(gate.open).toBe(1);
});
