import { describe, expect, test } from 'vitest';
import { FleetStreamEventSchema, PositionSchema, TaskStreamEventSchema } from '../../protocol/stream.ts';

describe('a position', () => {
  test.each(['0.0', '1.0', '1.17', '100.9999999999'])('may be %s', position => {
    expect(PositionSchema.parse(position)).toBe(position);
  });

  test.each([
    '',
    '1',
    '1.',
    '.1',
    '01.1',
    '1.01',
    '-1.0',
    '1.0 ',
    '1.0\n',
    '1.0.0',
    '1e3.0',
    '1.99999999999',
  ])('is not "%s"', position => {
    expect(PositionSchema.safeParse(position).success).toBe(false);
  });
});

describe('an event of a task', () => {
  test('says how far its reader has come, but for the one that closes the stream', () => {
    const restart = { event: 'restart', attempt: 2 };
    expect(TaskStreamEventSchema.safeParse(restart).success).toBe(false);
    expect(TaskStreamEventSchema.safeParse({ ...restart, position: '2.0' }).success).toBe(true);
    const error = { code: 'slow_reader', message: 'Too slow.', retryable: true };
    expect(TaskStreamEventSchema.safeParse({ event: 'closed', error }).success).toBe(true);
    expect(FleetStreamEventSchema.safeParse({ event: 'closed', error }).success).toBe(true);
  });

  test('has no gap in which nothing is missing', () => {
    const gap = { event: 'gap', position: '1.4', attempt: 1, missing: 0 };
    expect(TaskStreamEventSchema.safeParse(gap).success).toBe(false);
    expect(FleetStreamEventSchema.safeParse({ event: 'gap', seq: 0, missing: 0 }).success).toBe(false);
  });
});
