import { expect, test } from 'vitest';
import { type Message, saidIn } from '../../../../coordinator/http/openai/messages.ts';
import { CcliError } from '../../../../protocol/errors.ts';

const user = (text: string): Message => ({ role: 'user', text });
const assistant = (text: string): Message => ({ role: 'assistant', text });
const system = (text: string): Message => ({ role: 'instructions', text });

test('a single message of the user is a prompt alone', () => {
  expect(saidIn([user('hi')], 'messages')).toEqual({ turns: [], prompt: 'hi' });
});

test('turns of the user and the assistant, with the last one as the prompt', () => {
  expect(saidIn([user('a'), assistant('b'), user('c'), assistant('d'), user('e')], 'messages')).toEqual({
    turns: [
      { prompt: 'a', response: 'b' },
      { prompt: 'c', response: 'd' },
    ],
    prompt: 'e',
  });
});

test('instructions are joined, wherever they stand', () => {
  expect(saidIn([system('one'), user('a'), system(' '), system('two')], 'messages')).toEqual({
    instructions: 'one\n\ntwo',
    turns: [],
    prompt: 'a',
  });
});

test('messages of one role in a row are one message', () => {
  expect(
    saidIn([user('a'), user('b'), assistant('c'), assistant('d'), user('e'), user('f')], 'messages'),
  ).toEqual({
    turns: [{ prompt: 'a\n\nb', response: 'c\n\nd' }],
    prompt: 'e\n\nf',
  });
});

test('an assistant that speaks first has answered nothing', () => {
  expect(saidIn([assistant('Welcome'), user('a')], 'messages')).toEqual({
    turns: [{ prompt: '', response: 'Welcome' }],
    prompt: 'a',
  });
});

test('where nobody has spoken, the last instructions are what is to be answered', () => {
  expect(saidIn([system('Be brief.'), system('Tell a joke.'), system(' ')], 'messages')).toEqual({
    instructions: 'Be brief.',
    turns: [],
    prompt: 'Tell a joke.',
  });
});

test('an assistant that has spoken last is asked to go on', () => {
  expect(saidIn([user('a'), assistant('b')], 'messages')).toEqual({
    turns: [{ prompt: 'a', response: 'b' }],
    prompt: 'Go on.',
  });
});

test('refuses what has nothing to answer', () => {
  const messages = [system(' ')];
  let error: unknown;
  try {
    saidIn(messages, 'input');
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(CcliError);
  expect(error).toMatchObject({ code: 'invalid_request', param: 'input' });
  expect(String(error)).toContain('nothing to answer');
});
