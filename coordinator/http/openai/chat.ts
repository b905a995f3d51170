/** `POST /v1/chat/completions`, plain and streamed. */
import { z } from 'zod';
import { contextOf, type DoorApp } from '../door.ts';
import { wholeAnswer } from './answer.ts';
import { chatCompletion, chatEncoder } from './chat-reply.ts';
import { ChatRequestSchema, readChat } from './chat-request.ts';
import { describe, ExtensionsSchema, OPENAI_TAGS } from './document.ts';
import { beginExchange, type OpenAiDoor } from './exchange.ts';
import { openAiBody } from './open-ai-body.ts';
import { streamAnswer } from './sse.ts';

const ChatCompletionSchema = z
  .object({
    id: z.string().describe('`chatcmpl-` and the id of the task.'),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
        logprobs: z.null(),
        finish_reason: z.enum(['stop', 'length']),
      }),
    ),
    usage: z
      .object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() })
      .optional()
      .describe('Absent when the agent tells no counts.'),
  })
  .meta({ id: 'ChatCompletion' });

export function registerChat(app: DoorApp, shared: OpenAiDoor): void {
  describe(app, {
    method: 'post',
    path: '/v1/chat/completions',
    operationId: 'createChatCompletion',
    summary: 'Chat with an agent, as with the OpenAI API',
    description:
      'Text alone. What no agent can do is refused with `unsupported_parameter`; what has no effect is named in the header `x-ccli-ignored`. With `response_format`, the answer is checked, and repaired once. Hanging up cancels the task.',
    tags: OPENAI_TAGS,
    headers: ExtensionsSchema,
    body: ChatRequestSchema,
    schema: ChatCompletionSchema,
    streams: 'The answer; with `stream`, chunks as server-sent events, and `data: [DONE]` at the end.',
  });
  app.post('/v1/chat/completions', async c => {
    const ask = readChat(await openAiBody(c));
    const exchange = await beginExchange(c, shared, ask);
    const { task_id, created } = exchange;
    const frame = { task_id, created, model: ask.model };
    if (ask.stream) return await streamAnswer(c, exchange, chatEncoder(frame, ask.include_usage));
    const answer = await wholeAnswer(exchange, contextOf(c));
    return c.json(chatCompletion(frame, answer), 200, exchange.headers());
  });
}
