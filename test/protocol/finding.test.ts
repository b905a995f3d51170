import { describe, expect, test } from 'vitest';
import { CcliError, ERRORS, type ErrorCode } from '../../protocol/errors.ts';
import { FindingSchema, fail, failure, ok, skipped, warn, worstOf } from '../../protocol/finding.ts';

describe('findings', () => {
  test('whatever was thrown becomes a failure that says what it means and what to do', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const found = failure(new CcliError(code));
      expect(FindingSchema.safeParse({ ...found, check: 'any' }).success, code).toBe(true);
      expect(found).toMatchObject({ outcome: 'fail', code });
      expect(found.says, code).not.toBe('');
      expect(found.mend, code).toMatch(/^[A-Z`].*/);
    }
  });

  test('the two halves of a row are told apart, and a message of its own stays whole', () => {
    expect(failure(new CcliError('ssh_unreachable'))).toMatchObject({
      says: 'The host does not answer over SSH.',
      mend: 'Check that it is awake, and its name, port and network.',
    });
    const cause = new Error('ECONNREFUSED');
    expect(failure(new CcliError('ssh_unreachable', 'walnut is away.', { cause }))).toMatchObject({
      says: 'walnut is away. (ECONNREFUSED)',
      mend: 'Check that it is awake, and its name, port and network.',
    });
  });

  test('the worst counts, and what was skipped is not bad', () => {
    expect(worstOf([])).toBe('ok');
    expect(worstOf([ok('a'), skipped('b')])).toBe('ok');
    expect(worstOf([ok('a'), warn('b', 'c')])).toBe('warn');
    expect(worstOf([warn('b', 'c'), fail('d', 'e'), ok('a')])).toBe('fail');
  });
});
