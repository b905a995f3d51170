import { expect, test } from 'vitest';
import { createRateLimit } from '../../../coordinator/http/rate-limit.ts';
import { CcliError } from '../../../protocol/errors.ts';

function limited(options: { burst: number; per_second: number; max_clients?: number }) {
  let now = 0;
  const limit = createRateLimit({ ...options, clock: () => now });
  return {
    limit,
    pass: (ms: number) => {
      now += ms;
    },
    /** Undefined when it was let through. */
    take: (client: string): CcliError | undefined => {
      try {
        limit.take(client);
        return undefined;
      } catch (error) {
        if (error instanceof CcliError) return error;
        throw error;
      }
    },
  };
}

test('lets a burst through, and then tells when to come back', () => {
  const { take, pass } = limited({ burst: 3, per_second: 2 });
  expect([take('ada'), take('ada'), take('ada')]).toEqual([undefined, undefined, undefined]);
  expect(take('ada')).toMatchObject({ code: 'too_many_requests', retry_after_ms: 500 });
  pass(200);
  expect(take('ada')).toMatchObject({ retry_after_ms: 300 });
  pass(300);
  expect(take('ada')).toBeUndefined();
  expect(take('ada')).toBeDefined();
});

test('counts each client for itself', () => {
  const { take } = limited({ burst: 1, per_second: 1 });
  expect(take('ada')).toBeUndefined();
  expect(take('ada')).toBeDefined();
  expect(take('bob')).toBeUndefined();
});

test('never saves up more than a burst', () => {
  const { take, pass } = limited({ burst: 2, per_second: 100 });
  take('ada');
  pass(3_600_000);
  expect([take('ada'), take('ada')]).toEqual([undefined, undefined]);
  expect(take('ada')).toBeDefined();
});

test('a refused request costs nothing', () => {
  const { take, pass } = limited({ burst: 1, per_second: 1 });
  take('ada');
  for (let i = 0; i < 100; i += 1) expect(take('ada')).toBeDefined();
  pass(1_000);
  expect(take('ada')).toBeUndefined();
});

test('forgets who has been quiet for as long as a burst takes to come back', () => {
  const { limit, take, pass } = limited({ burst: 10, per_second: 10 });
  for (let i = 0; i < 50; i += 1) take(`client ${i}`);
  expect(limit.clients).toBe(50);
  pass(1_000);
  take('ada');
  expect(limit.clients).toBe(1);
});

test('remembers no more clients than it may', () => {
  const { limit, take } = limited({ burst: 10, per_second: 0.001, max_clients: 5 });
  for (let i = 0; i < 50; i += 1) take(`client ${i}`);
  expect(limit.clients).toBe(5);
});
