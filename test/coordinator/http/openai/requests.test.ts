import { describe, expect, test } from 'vitest';
import { InvalidRequest } from '../../../../coordinator/http/invalid-request.ts';
import { promptOf } from '../../../../coordinator/http/openai/ask.ts';
import { readChat } from '../../../../coordinator/http/openai/chat-request.ts';
import { openAiError } from '../../../../coordinator/http/openai/error.ts';
import { readResponses } from '../../../../coordinator/http/openai/responses-request.ts';

const messages = [{ role: 'user', content: 'hi' }];
const chat = { model: 'm', messages };
const responses = { model: 'm', input: 'hi' };

/** What a client is told of a request that is refused. */
const refusal = (read: () => unknown): object => {
  try {
    read();
  } catch (error) {
    return openAiError(error, error instanceof InvalidRequest ? error.errors : []).body.error;
  }
  return {};
};

describe('of chat completions', () => {
  test('a plain request is a prompt and nothing more', () => {
    const ask = readChat(chat);
    expect(promptOf(ask.said)).toEqual({ prompt: 'hi' });
    expect(ask).toMatchObject({ generation: {}, stop: [], stream: false, without_effect: [] });
  });

  test('several messages are a conversation', () => {
    const { said } = readChat({
      model: 'm',
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        { role: 'assistant', content: null, refusal: 'No.' },
        { role: 'user', name: 'kim', content: 'c' },
      ],
    });
    const { prompt = '', conversation } = promptOf(said);
    expect(conversation).toBe(true);
    expect(JSON.parse(prompt)).toEqual({
      instructions: 'Be brief.',
      turns: [{ prompt: 'ab', response: 'No.' }],
      dropped: 0,
      prompt: 'c',
    });
  });

  test('reads how to sample, the newer name of a limit first', () => {
    const ask = readChat({
      ...chat,
      max_tokens: 5,
      max_completion_tokens: 7,
      temperature: 0.5,
      top_p: 0.9,
      seed: 1,
      stop: 'END',
    });
    expect(ask.generation).toEqual({ max_tokens: 7, temperature: 0.5, top_p: 0.9, seed: 1, stop: ['END'] });
    expect(ask.stop).toEqual(['END']);
  });

  test('null is the same as absent', () => {
    expect(
      readChat({
        ...chat,
        tools: null,
        stop: null,
        temperature: null,
        logit_bias: null,
        response_format: null,
        user: null,
      }),
    ).toEqual(readChat(chat));
  });

  test('what asks for nothing is accepted, and what has no effect is named', () => {
    const harmless = {
      n: 1,
      tools: [],
      tool_choice: 'none',
      logprobs: false,
      top_logprobs: 0,
      logit_bias: {},
      modalities: ['text'],
      presence_penalty: 0,
      store: false,
    };
    expect(readChat({ ...chat, ...harmless }).without_effect).toEqual([]);
    const idle = { user: 'kim', presence_penalty: 1, reasoning_effort: 'low', metadata: { a: 'b' } };
    expect(readChat({ ...chat, ...idle }).without_effect).toEqual(Object.keys(idle));
  });

  test.each([
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['functions', { functions: [{ name: 'f' }] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['logit_bias', { logit_bias: { 50256: -100 } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['audio', { audio: { voice: 'x' } }],
    ['prediction', { prediction: { type: 'content', content: 'x' } }],
    ['web_search_options', { web_search_options: {} }],
    ['messages[1].role', { messages: [...messages, { role: 'tool', content: 'x', tool_call_id: 'y' }] }],
    ['messages[0].tool_calls', { messages: [{ role: 'assistant', tool_calls: [{}] }, ...messages] }],
    [
      'messages[0].content[1]',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'image_url', image_url: { url: 'x' } },
            ],
          },
        ],
      },
    ],
  ])('refuses %s as what cannot be done here', (param, over) => {
    expect(refusal(() => readChat({ ...chat, ...over }))).toMatchObject({
      code: 'unsupported_parameter',
      param,
    });
  });

  test('names an argument that nobody knows as OpenAI does', () => {
    expect(refusal(() => readChat({ ...chat, foo: 1 }))).toEqual({
      message: 'Unrecognized request argument supplied: foo',
      type: 'invalid_request_error',
      param: 'foo',
      code: 'invalid_request',
    });
    expect(refusal(() => readChat({ ...chat, constructor: 1 }))).toMatchObject({ param: 'constructor' });
  });

  test('names all that cannot be done, and all that nobody knows, at once', () => {
    expect(refusal(() => readChat({ ...chat, foo: 1, bar: 2 }))).toMatchObject({
      message: 'Unrecognized request arguments supplied: foo, bar',
      param: 'foo',
      code: 'invalid_request',
    });
    const several = refusal(() => readChat({ ...chat, n: 2, foo: 1, logprobs: true }));
    expect(several).toMatchObject({ param: 'n', code: 'unsupported_parameter' });
    for (const says of ['n: One answer', 'logprobs: The agents here', 'supplied: foo'])
      expect(JSON.stringify(several)).toContain(says);
  });

  test('the name of a speaker has no effect, and is named', () => {
    const named = [
      { role: 'system', content: 'x' },
      { role: 'user', name: 'kim', content: 'hi' },
    ];
    expect(readChat({ ...chat, messages: named }).without_effect).toEqual(['messages[1].name']);
  });

  test.each([
    ['model', { messages }],
    ['messages', { model: 'm' }],
    ['messages', { model: 'm', messages: [] }],
    ['messages', { model: 'm', messages: 'hi' }],
    ['messages[0].role', { model: 'm', messages: [{ content: 'x' }] }],
    ['messages[0].role', { model: 'm', messages: [{ role: 'wizard', content: 'x' }] }],
    ['messages[0].content', { model: 'm', messages: [{ role: 'user' }] }],
    ['messages[0].content', { model: 'm', messages: [{ role: 'user', content: 7 }] }],
    [
      'messages[0].content[0].text',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    ],
    ['messages', { model: 'm', messages: [{ role: 'system', content: ' ' }] }],
    ['temperature', { ...chat, temperature: 3 }],
    ['max_tokens', { ...chat, max_tokens: -1 }],
    ['stop', { ...chat, stop: '' }],
    ['stop', { ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['stream', { ...chat, stream: 'yes' }],
    ['n', { ...chat, n: 0 }],
    ['response_format.type', { ...chat, response_format: { type: 'xml' } }],
  ])('says that %s is wrong', (param, body) => {
    expect(refusal(() => readChat(body))).toMatchObject({ code: 'invalid_request', param });
  });

  test('a JSON format of any kind asks for checked JSON, text does not', () => {
    const json = (response_format: object) => readChat({ ...chat, response_format }).json;
    expect(json({ type: 'text' })).toBeUndefined();
    expect(json({ type: 'json_object' })).toEqual({ param: 'response_format' });
    const schema = { type: 'array' };
    expect(json({ type: 'json_schema', json_schema: { name: 'x', strict: true, schema } })).toMatchObject({
      named: { name: 'x', schema },
      param: 'response_format.json_schema.schema',
    });
  });
});

describe('of responses', () => {
  test('a string is a prompt and nothing more', () => {
    expect(promptOf(readResponses(responses).said)).toEqual({ prompt: 'hi' });
  });

  test('instructions stand above the messages, of which an answer of before may be one', () => {
    const { said } = readResponses({
      model: 'm',
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'input_text', text: 'a' }] },
        {
          type: 'message',
          id: 'msg_1',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'b', annotations: [] }],
        },
        { type: 'message', role: 'user', content: 'c' },
      ],
    });
    expect(said).toEqual({
      instructions: 'Be brief.\n\nBe kind.',
      turns: [{ prompt: 'a', response: 'b' }],
      prompt: 'c',
    });
  });

  test('fields of an item that are null are the same as absent', () => {
    const items = [{ type: null, role: 'user', content: 'hi' }];
    expect(readResponses({ ...responses, input: items }).said).toEqual(readResponses(responses).said);
    const nobody = [{ type: 'message', role: null, content: 'hi' }];
    expect(refusal(() => readResponses({ ...responses, input: nobody }))).toMatchObject({
      code: 'invalid_request',
      param: 'input[0].role',
    });
  });

  test('reasoning that would be kept may be asked for: there is none', () => {
    const include = ['reasoning.encrypted_content'];
    expect(readResponses({ ...responses, include })).toEqual(readResponses(responses));
  });

  test.each([
    ['tools', { tools: [{ type: 'web_search' }] }],
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['conversation', { conversation: 'conv_1' }],
    ['background', { background: true }],
    ['include', { include: ['reasoning.encrypted_content', 'message.output_text.logprobs'] }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    [
      'input[0].content[0]',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
    ],
    ['input[0]', { input: [{ type: 'function_call_output', call_id: 'x', output: 'y' }] }],
    ['input[0]', { input: [{ type: 'item_reference', id: 'x' }] }],
  ])('refuses %s as what cannot be done here', (param, over) => {
    expect(refusal(() => readResponses({ ...responses, ...over }))).toMatchObject({
      code: 'unsupported_parameter',
      param,
    });
  });

  test.each([
    ['input', { model: 'm' }],
    ['input', { model: 'm', input: [] }],
    ['input[0].role', { model: 'm', input: [{ content: 'x' }] }],
    ['messages', { ...responses, messages }],
    ['stop', { ...responses, stop: 'x' }],
  ])('says that %s is wrong', (param, body) => {
    expect(refusal(() => readResponses(body))).toMatchObject({ code: 'invalid_request', param });
  });

  test('what has no effect is named, down to the verbosity', () => {
    const { without_effect } = readResponses({
      ...responses,
      store: true,
      truncation: 'disabled',
      text: { verbosity: 'low' },
    });
    expect(without_effect).toEqual(['store', 'text.verbosity']);
  });
});
