import { describe, expect, test } from 'vitest';
import { checkPrompt } from '../../coordinator/check-prompt.ts';
import { CcliError } from '../../protocol/errors.ts';

const said = (over: Record<string, unknown> = {}): string =>
  JSON.stringify({ turns: [], dropped: 0, prompt: 'hello', ...over });

function refusal(text: string): CcliError {
  try {
    checkPrompt(text, true);
  } catch (error) {
    if (error instanceof CcliError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

/** Deeper than any call stack. */
const nested = (levels: number): string =>
  `{"turns":[],"dropped":0,"prompt":"hello","format":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`;

describe('a prompt', () => {
  test('is any text with something in it', () => {
    checkPrompt('{"turns": 1}', false);
    expect(() => {
      checkPrompt(' \n', false);
    }).toThrow(expect.objectContaining({ code: 'prompt_empty' }) as CcliError);
    expect(() => {
      checkPrompt('a\0b', false);
    }).toThrow(expect.objectContaining({ code: 'prompt_has_nul' }) as CcliError);
  });
});

describe('a conversation of a caller', () => {
  test('may have instructions, turns and a format, and texts of any kind', () => {
    checkPrompt(said(), true);
    checkPrompt(said({ instructions: '', format: 'json', turns: [{ prompt: '', response: '' }] }), true);
    checkPrompt(said({ prompt: 'a literal \\u0000', format: { type: 'object' } }), true);
    checkPrompt(nested(90), true);
  });

  test.each([
    ['is not JSON', 'hello', 'not JSON'],
    ['is no object', '[]', 'object'],
    ['has a turn without an answer', said({ turns: [{ prompt: 'a' }] }), 'turns.0.response'],
    ['has a field that is unknown', said({ instruction: 'Be brief.' }), 'instruction'],
    [
      'has an unknown field in a turn',
      said({ turns: [{ prompt: 'a', response: 'b', role: 'c' }] }),
      'turns.0',
    ],
    ['has a format that is none', said({ format: 'xml' }), 'format'],
    ['is nested without an end', nested(200_000), 'nested'],
    ['has more values than anybody means', `{"turns":[${'1,'.repeat(200_000)}1]}`, 'values'],
  ])('that %s is refused with what is wrong', (_what, text, names) => {
    const error = refusal(text);
    expect(error.code).toBe('invalid_request');
    expect(error.message).toContain(names);
  });

  test('needs a prompt with something in it', () => {
    expect(refusal(said({ prompt: ' \n' })).code).toBe('prompt_empty');
    expect(refusal(' ').code).toBe('prompt_empty');
  });

  test.each([
    ['its prompt', said({ prompt: 'a\0' })],
    ['its instructions', said({ instructions: '\0' })],
    ['a turn', said({ turns: [{ prompt: 'a', response: 'b\0' }] })],
    ['a value of its format', said({ format: { enum: [['a\0']] } })],
    ['a name in its format', said({ format: { properties: { 'a\0': {} } } })],
    ['its own text', '{"turns":[],\0"dropped":0,"prompt":"hello"}'],
  ])('has no NUL in %s', (_where, text) => {
    expect(refusal(text).code).toBe('prompt_has_nul');
  });
});
