/** How schemas of zod become those of the document. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createSchemas } from '../../../coordinator/http/openapi-schemas.ts';

const schemasOf = (names: readonly (readonly [z.ZodType, string])[] = [], descriptions = {}) =>
  createSchemas({ names: new Map(names), descriptions });

describe('a request', () => {
  test('is told as it is sent, not as it is read', () => {
    const schema = z.strictObject({
      limit: z.coerce.number().default(5),
      open: z.enum(['true', 'false']).transform(word => word === 'true'),
      options: z.object({ a: z.string().optional() }).prefault({}),
    });
    expect(schemasOf().of(schema, 'input')).toEqual({
      type: 'object',
      properties: {
        limit: { type: 'number', default: 5 },
        open: { type: 'string', enum: ['true', 'false'] },
        options: { type: 'object', properties: { a: { type: 'string' } }, default: {} },
      },
      required: ['open'],
      additionalProperties: false,
    });
  });
});

describe('an answer', () => {
  test('may have more fields than are told, and has those with a default', () => {
    const schema = z.object({ limit: z.int().default(5), code: z.enum(['a', 'b']).catch('b') });
    expect(schemasOf().of(schema, 'output')).toEqual({
      type: 'object',
      properties: { limit: { type: 'integer', default: 5 }, code: { type: 'string', enum: ['a', 'b'] } },
      required: ['limit', 'code'],
    });
  });

  test('of several kinds is told kind by kind', () => {
    const schema = z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('one'), n: z.number() }),
      z.object({ kind: z.literal('two') }),
    ]);
    expect(schemasOf().of(schema, 'output')).toMatchObject({
      oneOf: [{ properties: { kind: { const: 'one' } } }, { properties: { kind: { const: 'two' } } }],
    });
  });
});

describe('a schema with a name', () => {
  const Inner = z.object({ at: z.int().default(1) });
  const Plain = z.object({ a: z.string() });
  const Named = z.object({ inner: Inner }).meta({ id: 'Named' });

  test('stands once, and is referred to', () => {
    const schemas = schemasOf([[Plain, 'Plain']]);
    const reference = { $ref: '#/components/schemas/Plain' };
    const document = {
      request: schemas.of(z.object({ plain: Plain }), 'input'),
      answer: schemas.of(Plain, 'output'),
    };
    const settled = schemas.settle(document);
    expect(settled.document).toMatchObject({
      request: { properties: { plain: reference } },
      answer: reference,
    });
    expect(settled.schemas).toEqual({
      Plain: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
    });
  });

  test('has another name in requests where its two sides, or those of what it refers to, differ', () => {
    const schemas = schemasOf([[Inner, 'Inner']]);
    const document = { request: schemas.of(Named, 'input'), answer: schemas.of(Named, 'output') };
    const settled = schemas.settle(document);
    expect(settled.document).toEqual({
      request: { $ref: '#/components/schemas/NamedInput' },
      answer: { $ref: '#/components/schemas/Named' },
    });
    expect(settled.schemas).toMatchObject({
      Named: { properties: { inner: { $ref: '#/components/schemas/Inner' } } },
      NamedInput: { properties: { inner: { $ref: '#/components/schemas/InnerInput' } } },
      Inner: { required: ['at'] },
    });
    expect(settled.schemas['InnerInput']).not.toHaveProperty('required');
  });

  test('must not share it with another', () => {
    const schemas = schemasOf([
      [Plain, 'Same'],
      [Inner, 'Same'],
    ]);
    schemas.add(Plain);
    expect(() => {
      schemas.add(Inner);
    }).toThrow('Same');
  });

  test('is told of field by field, where it does not say so itself', () => {
    const schema = z.object({ a: z.string(), b: z.string().describe('its own') });
    const schemas = schemasOf([[schema, 'Told']], { Told: { a: 'from outside', b: 'from outside' } });
    schemas.add(schema);
    expect(schemas.settle({}).schemas['Told']).toMatchObject({
      properties: { a: { description: 'from outside' }, b: { description: 'its own' } },
    });
  });
});
