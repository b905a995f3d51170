/** What a caller is told about fields that do not fit. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { invalidRequest } from '../../../coordinator/http/invalid-request.ts';

const Schema = z.strictObject({
  prompt: z.string(),
  agent_type: z.enum(['cli_gemini', 'ollama']).optional(),
  priority: z.int().min(0).optional(),
  cli_config: z.strictObject({ host: z.string(), node_path: z.string() }).optional(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).optional(),
  turns: z.array(z.strictObject({ role: z.enum(['user', 'assistant']) })).optional(),
});

function told(
  value: unknown,
  schema: z.ZodType = Schema,
): { detail: string; errors: Record<string, string> } {
  const result = schema.safeParse(value);
  if (result.success) throw new Error('it fits');
  const { message, errors } = invalidRequest(result.error, value);
  return { detail: message, errors: Object.fromEntries(errors.map(error => [error.path, error.message])) };
}

describe('a required field that is missing', () => {
  test('is named, and nothing else is said', () => {
    expect(told({}).detail).toBe('Missing required field: prompt');
    expect(told({ agent_type: 'ollama', priority: 1 }).detail).toBe('Missing required field: prompt');
  });

  test('is named by its whole path', () => {
    expect(told({ prompt: 'x', cli_config: { node_path: '/n' } }).detail).toBe(
      'Missing required field: cli_config.host',
    );
    expect(told({ prompt: 'x', turns: [{ role: 'user' }, {}] }).detail).toBe(
      'Missing required field: turns.1.role',
    );
  });

  test('is named together with all others', () => {
    expect(told({ cli_config: {} }).detail).toBe(
      'Missing required fields: prompt, cli_config.host, cli_config.node_path',
    );
  });

  test('counts as missing also when it is one of several choices, or a kind', () => {
    const kinds = z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('a') }),
      z.strictObject({ kind: z.literal('b') }),
    ]);
    expect(told({}, kinds).detail).toBe('Missing required field: kind');
    expect(told({}, z.object({ level: z.enum(['low', 'high']) })).detail).toBe(
      'Missing required field: level',
    );
  });
});

test('what a schema makes of a value is not missing from it', () => {
  const listed = z.strictObject({
    status: z
      .preprocess(
        given => [given].flat().flatMap(part => (typeof part === 'string' ? part.split(',') : [part])),
        z.array(z.enum(['queued', 'failed'])),
      )
      .optional(),
  });
  for (const status of ['bogus', 'queued,bogus', '', ['queued', 'failed,bogus'], 'bogus,bogus']) {
    const { detail, errors } = told({ status }, listed);
    expect(detail).toMatch(/^status(\.\d)?: Invalid option/);
    expect(Object.keys(errors)).toHaveLength(1);
  }
});

describe('a field that is wrong', () => {
  test('is told with its path and why', () => {
    const { detail, errors } = told({ prompt: 7, priority: -1 });
    expect(Object.keys(errors).sort()).toEqual(['priority', 'prompt']);
    expect(detail).toContain('prompt: ');
    expect(detail).toContain('priority: ');
  });

  test('may be one that nobody knows', () => {
    expect(
      told({ prompt: 'x', promt: 'y', cli_config: { host: 'h', node_path: 'n', extra: 1 } }).errors,
    ).toEqual({
      promt: 'is not a known field',
      'cli_config.extra': 'is not a known field',
    });
  });

  test('is told as the choice it came closest to', () => {
    expect(Object.keys(told({ prompt: 'x', stop: ['a', 1] }).errors)).toEqual(['stop.1']);
  });

  test('may be null, which is not missing', () => {
    expect(told({ prompt: null }).detail).toMatch(/^prompt: /);
  });

  test('is not missing when a rule of its own refuses it', () => {
    const either = z.object({ prompt: z.string().optional() }).refine(value => value.prompt !== undefined, {
      path: ['prompt'],
      message: 'give a prompt, or a reference',
    });
    expect(told({}, either).detail).toBe('prompt: give a prompt, or a reference.');
  });
});

describe('a request that is wrong as a whole', () => {
  test.each([[[]], ['text'], [7], [null], [true]])('says so: %j', value => {
    const { detail, errors } = told(value);
    expect(detail).toMatch(/^The request: .*object/);
    expect(Object.keys(errors)).toEqual(['']);
  });
});

test('no request makes the answer long', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`${'x'.repeat(500)}${i}`, i]));
  const { detail, errors } = told({ prompt: 'x', ...many });
  expect(Object.keys(errors).length).toBeLessThanOrEqual(32);
  expect(detail.length).toBeLessThan(2_000);
});

test('fields with the names of what every object has are looked at like others', () => {
  expect(told({ prompt: 'x', constructor: 1 }).errors).toEqual({ constructor: 'is not a known field' });
  expect(told({}, z.object({ toString: z.string() })).detail).toBe('Missing required field: toString');
});
