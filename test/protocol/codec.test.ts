import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AdvertSchema } from '../../protocol/advert.ts';
import { check, decode, encode, WIRE_VERSION } from '../../protocol/codec.ts';
import { StatusRequestSchema } from '../../protocol/control.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import { ListRequestSchema, SubmitRequestSchema } from '../../protocol/operation.ts';
import { ReportSchema } from '../../protocol/report.ts';
import { TaskStateSchema } from '../../protocol/task.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const Pair = z.object({ v: z.int().positive(), text: z.string() });

/** The code of the error that `work` throws, and what it says. */
function refusal(work: () => unknown): { code: string; message: string } {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CcliError)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error('nothing was refused');
}

describe('the codec', () => {
  test.each(['', 'plain', 'zażółć 🚀 \u0000 \ufeff', '\ud800 alone', '"\\\n\u2028'])(
    'round-trips %j',
    text => {
      expect(decode(Pair, encode(Pair, { v: 1, text }))).toEqual({ v: 1, text });
    },
  );

  test('drops fields that its schema does not name, so that newer peers may add some', () => {
    expect(decode(Pair, bytes('{"v":1,"text":"a","new":true}'))).toEqual({ v: 1, text: 'a' });
  });

  test('refuses, on the way out, what breaks its own schema', () => {
    expect(refusal(() => encode(Pair, { v: 0.5, text: '' })).code).toBe('invalid_request');
  });

  test('takes a message of exactly the limit and refuses one byte more, both ways', () => {
    const frame = encode(Pair, { v: 1, text: '' }).byteLength;
    const fitting = { v: 1, text: 'a'.repeat(MAX_MESSAGE_BYTES - frame) };
    const encoded = encode(Pair, fitting);
    expect(encoded.byteLength).toBe(MAX_MESSAGE_BYTES);
    expect(decode(Pair, encoded)).toEqual(fitting);
    const over = { v: 1, text: `${fitting.text}a` };
    expect(refusal(() => encode(Pair, over))).toEqual({
      code: 'message_too_large',
      message: `The message has ${MAX_MESSAGE_BYTES + 1} bytes; ${MAX_MESSAGE_BYTES} is the limit.`,
    });
    expect(refusal(() => decode(Pair, bytes(JSON.stringify(over)))).code).toBe('message_too_large');
  });

  test('counts bytes, not characters', () => {
    expect(refusal(() => encode(Pair, { v: 1, text: '🚀'.repeat(10) }, 40)).code).toBe('message_too_large');
  });

  test('says that a newer version needs an upgrade, whatever else the message holds', () => {
    const { code, message } = refusal(() => decode(Pair, bytes('{"v":2,"shape":"unknown"}')));
    expect(code).toBe('unsupported_version');
    expect(message).toContain(`version 2; this program knows up to ${WIRE_VERSION}`);
  });

  test('reads an empty payload as an empty object', () => {
    expect(decode(StatusRequestSchema, new Uint8Array())).toEqual({});
    expect(decode(ListRequestSchema, new Uint8Array())).toEqual({});
    expect(refusal(() => decode(Pair, new Uint8Array())).message).toContain('v:');
  });

  test('names every field that does not fit, at most ten', () => {
    const { message } = refusal(() => decode(Pair, bytes('{"v":"1","text":5}')));
    expect(message).toMatch(/v: .*; text: /);
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`f${index}`, z.string()]));
    const all = refusal(() => check(z.object(many), {})).message;
    expect(all.split(';')).toHaveLength(10);
  });

  const EVERY = [SubmitRequestSchema, TaskStateSchema, ReportSchema, AdvertSchema] as const;

  test.each([
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d)],
    ['half a character', bytes('{"v":1,"text":"é"}').subarray(0, 16)],
    ['text that is not JSON', bytes('v=1')],
    ['half a document', bytes('{"v":1,')],
    ['two documents', bytes('{"v":1}{"v":1}')],
    ['null', bytes('null')],
    ['an array', bytes('[1]')],
    ['a string', bytes('"v"')],
    ['a number', bytes('1e400')],
    ['a version that is text', bytes('{"v":"1"}')],
    ['100,000 arrays begun', bytes('['.repeat(100_000))],
    ['100,000 arrays nested', bytes(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
    ['100,000 objects nested', bytes(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
    [
      'deep nesting where a record belongs',
      bytes(`{"prompt":"a","labels":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`),
    ],
    ['numbers no integer holds', bytes('{"v":1,"prompt":"a","timeout_ms":1e308,"priority":-1e400}')],
  ])('refuses %s with a code, through every schema', (_what, payload) => {
    for (const schema of EVERY) {
      const { code, message } = refusal(() => decode<unknown>(schema, payload));
      expect(code).toBe('invalid_request');
      expect(message.length).toBeLessThan(4_000);
    }
  });

  test.each(['1e308', '-1', '0', '0.5', '9007199254740993', 'null', '"1"', 'true', '[]'])(
    'refuses %s as a timeout',
    value => {
      const payload = bytes(`{"prompt":"a","timeout_ms":${value}}`);
      expect(refusal(() => decode(SubmitRequestSchema, payload)).message).toContain('timeout_ms:');
    },
  );

  test('does not let a message set the prototype of anything', () => {
    const decoded = decode(z.record(z.string(), z.unknown()), bytes('{"__proto__":{"polluted":true},"a":1}'));
    expect(decoded['a']).toBe(1);
    expect({}).not.toHaveProperty('polluted');
  });

  test('keeps an over-long complaint within what an error may hold', () => {
    const payload = bytes(`{"prompt":"a","${'k'.repeat(100_000)}":1}`);
    try {
      decode(SubmitRequestSchema, payload);
      expect.unreachable();
    } catch (error) {
      expect(toErrorBody(error).message.length).toBeLessThanOrEqual(4_000);
    }
  });
});
