import { describe, expect, test } from 'vitest';
import { ConversationSchema, FormatSchema } from '../../protocol/conversation.ts';
import { GenerationSchema } from '../../protocol/generation.ts';
import { SubmitRequestSchema } from '../../protocol/operation.ts';

const fits = (schema: { safeParse: (value: unknown) => { success: boolean } }, value: unknown): boolean =>
  schema.safeParse(value).success;

describe('a conversation', () => {
  const least = { turns: [], dropped: 0, prompt: 'hello' };

  test('of a newer peer is read without what it says beyond ours', () => {
    expect(ConversationSchema.parse({ ...least, mood: 'calm' })).toEqual(least);
  });

  test.each([
    ['no prompt', { turns: [], dropped: 0 }],
    ['no turns', { dropped: 0, prompt: 'hello' }],
    ['half a turn', { ...least, turns: [{ prompt: 'a' }] }],
    ['instructions that are no text', { ...least, instructions: ['a'] }],
    ['a format that is a list', { ...least, format: [] }],
  ])('with %s is none', (_what, value) => {
    expect(fits(ConversationSchema, value)).toBe(false);
  });

  test('asks for JSON, or for JSON of a schema', () => {
    for (const format of ['json', {}, { type: 'object' }]) expect(fits(FormatSchema, format)).toBe(true);
    for (const format of ['text', 1, null]) expect(fits(FormatSchema, format)).toBe(false);
  });
});

describe('generation', () => {
  test('takes what can be asked of a model, and nothing else', () => {
    expect(fits(GenerationSchema, { max_tokens: 1, temperature: 0, top_p: 1, stop: ['\n'], seed: -1 })).toBe(
      true,
    );
    expect(fits(GenerationSchema, {})).toBe(true);
  });

  test.each([
    { max_tokens: 0 },
    { max_tokens: 1.5 },
    { temperature: 2.1 },
    { top_p: -0.1 },
    { stop: [''] },
    { stop: ['a', 'b', 'c', 'd', 'e'] },
    { stop: 'a' },
    { seed: 0.5 },
    { top_k: 1 },
  ])('refuses %o', generation => {
    expect(fits(GenerationSchema, generation)).toBe(false);
    expect(fits(SubmitRequestSchema, { prompt: 'a', generation })).toBe(false);
  });
});
