import { afterAll, expect, test } from 'vitest';
import { type Answered, answerInJson } from '../../../coordinator/structured/answer-in-json.ts';
import { createCheckThread } from '../../../coordinator/structured/check-thread.ts';
import { anyObject, ofSchema } from '../../../coordinator/structured/format.ts';
import type { Conversation } from '../../../protocol/conversation.ts';
import { CcliError } from '../../../protocol/errors.ts';

const thread = createCheckThread();
afterAll(thread.close);

const wanted = await ofSchema(
  { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
  thread,
  { name: 'count', description: 'how many' },
);
const asked = { turns: [], prompt: 'How many?' };

/** Gives these answers one after another, and keeps what it was asked. */
const answering = (...answers: Answered[]) => {
  const conversations: Conversation[] = [];
  const rounds: string[] = [];
  return {
    conversations,
    rounds,
    run: (conversation: Conversation, round: string): Promise<Answered> => {
      conversations.push(conversation);
      rounds.push(round);
      return Promise.resolve(answers[conversations.length - 1] ?? { text: '' });
    },
  };
};

test('asks for JSON in the instructions and as a format, below the instructions of the caller', async () => {
  const { conversations, run } = answering({ text: '{"n":3}' });
  await answerInJson({ ...asked, instructions: 'Be brief.' }, wanted, run);
  expect(conversations).toHaveLength(1);
  expect(conversations[0]?.instructions).toMatch(/^Be brief\.\n\n.*JSON.*"count" \(how many\)/s);
  expect(conversations[0]?.format).toMatchObject({ required: ['n'] });
});

test('an answer that fits comes without its fence', async () => {
  const { run } = answering({ text: '```json\n{"n":3}\n```', usage: { input_tokens: 1 } });
  expect(await answerInJson(asked, wanted, run)).toEqual({ text: '{"n":3}', usage: { input_tokens: 1 } });
});

test('gives an answer that does not fit back once, with what is wrong, and counts both', async () => {
  const { conversations, rounds, run } = answering(
    { text: '{"n":"three"}', usage: { input_tokens: 10, output_tokens: 2 } },
    { text: '{"n":3}', usage: { input_tokens: 20, output_tokens: 3, total_tokens: 23 } },
  );
  expect(await answerInJson(asked, wanted, run)).toEqual({
    text: '{"n":3}',
    usage: { input_tokens: 30, output_tokens: 5 },
  });
  expect(rounds).toEqual(['first', 'repair']);
  expect(conversations[1]?.turns).toEqual([{ prompt: 'How many?', response: '{"n":"three"}' }]);
  expect(conversations[1]?.prompt).toContain('"/n" must be integer');
});

test('tells no counts when those of one round are not known', async () => {
  for (const usages of [
    [{ usage: { input_tokens: 10 } }, {}],
    [{}, { usage: { input_tokens: 10 } }],
  ]) {
    const { run } = answering({ text: 'three', ...usages[0] }, { text: '{"n":3}', ...usages[1] });
    expect(await answerInJson(asked, wanted, run)).toEqual({ text: '{"n":3}' });
  }
});

test('an answer that cannot be checked is not given back to be repaired', async () => {
  const { rounds, run } = answering({ text: '{}' });
  const circular = await ofSchema({ $dynamicRef: '#x' }, thread);
  await expect(answerInJson(asked, circular, run)).rejects.toMatchObject({ code: 'invalid_request' });
  expect(rounds).toEqual(['first']);
});

test('fails with what is still wrong after the repair', async () => {
  const { run } = answering({ text: 'three' }, { text: '[3]' });
  const failure: unknown = await answerInJson(asked, anyObject, run).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CcliError);
  expect(failure).toMatchObject({ code: 'invalid_answer' });
  expect(String(failure)).toContain('not an object');
});

test('hands on an answer that was cut short, since no repair would be longer', async () => {
  const { rounds, run } = answering({ text: '{"n":', completeness: 'partial' });
  expect(await answerInJson(asked, wanted, run)).toEqual({ text: '{"n":', completeness: 'partial' });
  expect(rounds).toEqual(['first']);
});

test('shows a runaway answer for its repair without its middle', async () => {
  const { conversations, run } = answering({ text: 'x'.repeat(1_000_000) }, { text: '{}' });
  await answerInJson(asked, anyObject, run);
  const shown = conversations[1]?.turns[0]?.response ?? '';
  expect(shown.length).toBeLessThan(101_000);
  expect(shown).toContain('900000 characters left out');
});
