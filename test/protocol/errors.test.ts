import { describe, expect, test } from 'vitest';
import {
  CcliError,
  ERRORS,
  type ErrorBody,
  ErrorBodySchema,
  ErrorCodeSchema,
  EXIT_MEANINGS,
  fromErrorBody,
  toErrorBody,
} from '../../protocol/errors.ts';

const ROWS = Object.entries(ERRORS);

describe('every row of the error table', () => {
  test.each(ROWS)('%s has a name, a sentence, a status and an exit code', (code, row) => {
    expect(code).toMatch(/^[a-z][a-z_]+$/);
    expect(row.says).toMatch(/^[A-Z].*\.$/);
    expect(row.http).toBeGreaterThanOrEqual(400);
    expect(row.http).toBeLessThan(600);
    expect(Object.keys(EXIT_MEANINGS)).toContain(String(row.exit));
    expect(row.exit).not.toBe(0);
  });

  test.each(ROWS)('%s goes over the wire and comes back the same', name => {
    const code = ErrorCodeSchema.parse(name);
    const sent = new CcliError(code, undefined, { retry_after_ms: 1_500, cause: new Error('the cause') });
    const body = toErrorBody(sent);
    expect(ErrorBodySchema.parse(JSON.parse(JSON.stringify(body)))).toEqual({
      code,
      message: ERRORS[code].says,
      retryable: ERRORS[code].retryable,
      retry_after_ms: 1_500,
      cause: 'the cause',
    });
    const received = fromErrorBody(body);
    expect(received).toBeInstanceOf(CcliError);
    expect(toErrorBody(received)).toEqual(body);
  });

  test('has a sentence of its own', () => {
    expect(new Set(ROWS.map(([, { says }]) => says)).size).toBe(ROWS.length);
  });

  test('means every exit code somewhere, but 0 and that of a doctor who only warns', () => {
    const used = new Set(ROWS.map(([, { exit }]) => String(exit)));
    expect([...used].sort()).toEqual(
      Object.keys(EXIT_MEANINGS)
        .filter(exit => exit !== '0' && exit !== '9')
        .sort(),
    );
  });
});

describe('an error on a wire', () => {
  test.each<[string, unknown, Partial<ErrorBody>]>([
    ['an Error of somebody else', new TypeError('x is not a function'), { cause: 'x is not a function' }],
    ['a thrown text', 'just text', { cause: 'just text' }],
    ['a thrown object', { secret: 'value' }, { cause: 'unknown' }],
    ['a thrown undefined', undefined, {}],
    ['a thrown null', null, {}],
  ])('made of %s is internal', (_what, thrown, more) => {
    expect(toErrorBody(thrown)).toEqual({
      code: 'internal',
      message: ERRORS.internal.says,
      retryable: false,
      ...more,
    });
  });

  test('carries no stack, not even of its cause', () => {
    const cause = new Error('inner', { cause: new Error('innermost') });
    const text = JSON.stringify(toErrorBody(new CcliError('internal', 'outer', { cause })));
    expect(text).toContain('inner');
    expect(text).not.toContain('    at ');
    expect(text).not.toContain('errors.test');
  });

  test('is cut where its message or cause would not fit', () => {
    const long = 'm'.repeat(10_000);
    const body = toErrorBody(new CcliError('cli_crashed', long, { cause: new Error(long) }));
    expect(ErrorBodySchema.parse(body)).toEqual(body);
    expect(body.message).toHaveLength(4_000);
    expect(body.message.endsWith('…')).toBe(true);
  });

  test('rounds a pause up to whole milliseconds, as its schema wants', () => {
    const body = toErrorBody(new CcliError('rate_limited', undefined, { retry_after_ms: 0.2 }));
    expect(ErrorBodySchema.parse(body).retry_after_ms).toBe(1);
  });

  test('of a code that only a newer peer knows reads as internal', () => {
    const body = { code: 'warp_core_breach', message: 'Eject.', retryable: true };
    expect(ErrorBodySchema.parse(body)).toEqual({ ...body, code: 'internal' });
  });
});
