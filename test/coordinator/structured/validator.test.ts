import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type CheckThread, createCheckThread } from '../../../coordinator/structured/check-thread.ts';
import { createValidator, type Validator } from '../../../coordinator/structured/validator.ts';
import { CcliError } from '../../../protocol/errors.ts';

const person = {
  type: 'object',
  properties: { name: { type: 'string' }, kind: { enum: ['cat', 'dog'] } },
  required: ['name'],
  additionalProperties: false,
};

function checkThread(options: Parameters<typeof createCheckThread>[0] = {}): CheckThread {
  const thread = createCheckThread(options);
  onTestFinished(thread.close);
  return thread;
}

/** Takes values instead of their text. */
async function validatorOf(schema: Record<string, unknown>, thread = checkThread()) {
  const validate: Validator = await createValidator(schema, thread);
  return (value: unknown) => validate(JSON.stringify(value));
}

const failure = async (work: Promise<unknown>): Promise<CcliError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CcliError) return error;
  throw new Error('nothing of ours was thrown', { cause: error });
};

const refusal = async (schema: Record<string, unknown>): Promise<string> =>
  (await failure(validatorOf(schema))).message;

/** Matched for longer than anybody waits. */
const evil = { type: 'string', pattern: '^(a+)+$' };
const hopeless = `${'a'.repeat(60)}b`;

test('finds nothing wrong with a value that fits', async () => {
  const validate = await validatorOf(person);
  expect(await validate({ name: 'Minka', kind: 'cat' })).toEqual([]);
});

test('names all that is wrong, with the values that are allowed', async () => {
  const validate = await validatorOf(person);
  const wrong = await validate({ kind: 'cow', legs: 4 });
  expect(wrong.join('\n')).toContain(`the value must have required property 'name'`);
  expect(wrong.join('\n')).toContain('"/kind" must be equal to one of the allowed values: ["cat","dog"]');
  expect(wrong.join('\n')).toContain('must NOT have additional properties: "legs"');
});

test('names no more than a few of very many mistakes', async () => {
  const validate = await validatorOf({ type: 'array', items: { type: 'string' } });
  const wrong = await validate(Array.from({ length: 500 }, () => 1));
  expect(wrong).toHaveLength(11);
  expect(wrong.at(-1)).toBe('and 490 more');
});

test('follows references within the schema', async () => {
  const validate = await validatorOf({
    $schema: 'http://json-schema.org/draft-07/schema#',
    $ref: '#/$defs/tree',
    $defs: { tree: { type: 'object', properties: { next: { $ref: '#/$defs/tree' } } } },
  });
  expect(await validate({ next: { next: {} } })).toEqual([]);
  expect(await validate({ next: { next: 1 } })).toEqual(['"/next/next" must be object']);
});

test.each([
  ['an unknown type', { type: 'objekt' }, 'objekt'],
  ['a keyword with the wrong kind of value', { properties: 3 }, 'properties'],
  ['a pattern that is none', { type: 'string', pattern: '(' }, 'regular expression'],
  ['a reference to another document', { $ref: 'https://example.com/schema' }, 'https://example.com/schema'],
  ['a reference that leads nowhere', { $ref: '#/$defs/none' }, '#/$defs/none'],
])('refuses %s', async (_what, schema, says) => {
  const told = await refusal(schema);
  expect(told).toContain('The JSON Schema cannot be used');
  expect(told).toContain(says);
});

test.each(['^[\\w\\-]+$', '^\\p{Lu}\\w*$', '\\_'])('takes the pattern %s of either kind', async pattern => {
  const validate = await validatorOf({ type: 'string', pattern });
  expect(await validate('_A')).toHaveLength(pattern.startsWith('^\\p') ? 1 : 0);
});

test('takes the "nullable" of OpenAPI wherever it stands, and a property of that name', async () => {
  const validate = await validatorOf({
    type: 'object',
    properties: {
      nullable: true,
      a: { type: 'string', nullable: true },
      b: { nullable: true, anyOf: [{ type: 'string' }, { type: 'number', nullable: true }] },
      c: { type: ['string', 'null'], nullable: false },
      d: { enum: ['x', null], nullable: true },
    },
    additionalProperties: false,
  });
  expect(await validate({ nullable: 1, a: null, b: null, c: null, d: null })).toEqual([]);
  expect(await validate({ a: 1 })).toHaveLength(1);
});

test('the loop goes on while a schema is compiled, and while a pattern is matched for ever', async () => {
  const thread = checkThread();
  const long = { type: 'object', properties: Object.fromEntries(many(1_000)) };
  const compiling = validatorOf(long, thread).then(() => 'compiled');
  expect(await Promise.race([compiling, turn('the loop')])).toBe('the loop');
  await compiling;
  const validate = await validatorOf(evil, thread);
  const checking = failure(validate(hopeless));
  expect(await Promise.race([checking, turn('the loop')])).toBe('the loop');
  await checking;
});

const many = (count: number): [string, object][] =>
  Array.from({ length: count }, (_, index) => [`field_${index}`, { type: 'string', maxLength: index + 1 }]);

test('a pattern that would be matched for ever is given up, and nobody else suffers for it', async () => {
  const thread = checkThread({ limit_ms: 300 });
  const [validate, harmless] = [await validatorOf(evil, thread), await validatorOf(person, thread)];
  const [given_up, fine] = await Promise.all([failure(validate(hopeless)), harmless({ name: 'Minka' })]);
  expect(given_up).toMatchObject({ code: 'invalid_request' });
  expect(given_up.message).toContain('takes longer than');
  expect(fine).toEqual([]);
  expect(await validate('aaa')).toEqual([]);
});

test('no more than so many wait, and none after the end', async () => {
  const thread = checkThread({ limit_ms: 300, most_waiting: 1 });
  const validate = await validatorOf(evil, thread);
  const first = failure(validate(hopeless));
  const second = validate('a');
  expect(await failure(validate('a'))).toMatchObject({ code: 'overloaded' });
  await first;
  expect(await second).toEqual([]);
  const last = failure(validate('a'));
  thread.close();
  expect((await last).code).toBe('shutting_down');
  expect((await failure(validate('a'))).code).toBe('shutting_down');
});

test('refuses a schema that is too deep, too long or of too many parts', async () => {
  let deep: Record<string, unknown> = {};
  for (let level = 0; level < 10_000; level += 1) deep = { not: deep };
  expect(await refusal(deep)).toContain('nested deeper');
  expect(await refusal({ description: 'x'.repeat(200_000) })).toContain('longer than');
  expect(await refusal({ enum: Array.from({ length: 20_000 }, (_, index) => index) })).toContain('more than');
});

test('a schema that calls itself asynchronous still refuses what does not fit', async () => {
  const validate = await validatorOf({ $async: true, type: 'string' });
  expect(await validate(1)).toEqual(['the value must be string']);
});

test('a schema that goes round in circles is at fault, and not the value', async () => {
  const validate = await validatorOf({ $dynamicRef: '#x' });
  const error = await failure(validate(1));
  expect(error).toMatchObject({ code: 'invalid_request', retryable: false });
  expect(error.message).toContain('circles');
});
