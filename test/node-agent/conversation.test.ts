import { expect, test } from 'vitest';
import { saidIn } from '../../node-agent/conversation.ts';
import type { CcliError } from '../../protocol/errors.ts';

const conversation = true as const;

test('a plain prompt is a prompt, even one that looks like a conversation', () => {
  const text = '{"turns":[],"dropped":0,"prompt":"x"}';
  expect(saidIn(text, {})).toEqual({ prompt: text });
});

test('a conversation has what was said before, oldest first, and the prompt', () => {
  const turns = [
    { prompt: 'one', response: '1' },
    { prompt: 'two', response: '2' },
  ];
  const text = JSON.stringify({ turns, dropped: 3, prompt: 'three' });
  expect(saidIn(text, { conversation })).toEqual({ history: turns, prompt: 'three' });
  expect(saidIn(JSON.stringify({ turns: [], dropped: 0, prompt: 'x' }), { conversation })).toEqual({
    prompt: 'x',
  });
});

test('a conversation may have instructions, blank ones being none, and say how to answer', () => {
  const said = { prompt: 'x', instructions: 'Be brief.', format: { type: 'object' } };
  expect(saidIn(JSON.stringify({ turns: [], dropped: 0, ...said }), { conversation })).toEqual(said);
  const blank = { prompt: 'x', instructions: ' \n', turns: [], dropped: 0, format: 'json' };
  expect(saidIn(JSON.stringify(blank), { conversation })).toEqual({ prompt: 'x', format: 'json' });
});

test.each(['hello', '{}', '{"turns":[{"prompt":1}],"dropped":0,"prompt":"x"}', 'null'])(
  'what should be a conversation and is not is a bad request: %s',
  text => {
    expect(() => saidIn(text, { conversation })).toThrow(
      expect.objectContaining({ code: 'invalid_request' }) as CcliError,
    );
  },
);
