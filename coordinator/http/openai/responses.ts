/** `POST /v1/responses`, plain and streamed, text alone. */
import { z } from 'zod';
import { contextOf, type DoorApp } from '../door.ts';
import { wholeAnswer } from './answer.ts';
import { describe, ExtensionsSchema, OPENAI_TAGS } from './document.ts';
import { beginExchange, type OpenAiDoor } from './exchange.ts';
import { openAiBody } from './open-ai-body.ts';
import { responsesEncoder, wholeResponseOf } from './responses-reply.ts';
import { ResponsesRequestSchema, readResponses } from './responses-request.ts';
import { streamAnswer } from './sse.ts';

const ResponseSchema = z
  .object({
    id: z.string().describe('`resp_` and the id of the task.'),
    object: z.literal('response'),
    created_at: z.int(),
    status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
    model: z.string(),
    output: z.array(
      z.object({
        id: z.string(),
        type: z.literal('message'),
        status: z.string(),
        role: z.literal('assistant'),
        content: z.array(z.object({ type: z.literal('output_text'), text: z.string() })),
      }),
    ),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.string() }).nullable(),
    usage: z
      .object({ input_tokens: z.int(), output_tokens: z.int(), total_tokens: z.int() })
      .nullable()
      .describe('Null when the agent tells no counts.'),
  })
  .meta({ id: 'Response' });

export function registerResponses(app: DoorApp, shared: OpenAiDoor): void {
  describe(app, {
    method: 'post',
    path: '/v1/responses',
    operationId: 'createResponse',
    summary: 'The same over the Responses API',
    description:
      'Text alone, and nothing is kept between requests: `previous_response_id` and the like are refused. Hanging up cancels the task.',
    tags: OPENAI_TAGS,
    headers: ExtensionsSchema,
    body: ResponsesRequestSchema,
    schema: ResponseSchema,
    streams: 'The response; with `stream`, its events as server-sent events, `response.completed` last.',
  });
  app.post('/v1/responses', async c => {
    const ask = readResponses(await openAiBody(c));
    const exchange = await beginExchange(c, shared, ask);
    const { task_id, created } = exchange;
    const frame = { task_id, created, ask };
    if (ask.stream) return await streamAnswer(c, exchange, responsesEncoder(frame));
    const answer = await wholeAnswer(exchange, contextOf(c));
    return c.json(wholeResponseOf(frame, answer), 200, exchange.headers());
  });
}
