/** What `POST /v1/responses` takes. */
import { z } from 'zod';
import { GenerationSchema } from '../../../protocol/generation.ts';
import { invalidRequest } from '../invalid-request.ts';
import type { Ask } from './ask.ts';
import { type JsonWish, NamedSchemaSchema } from './json-format.ts';
import { type Message, roleOf, saidIn } from './messages.ts';
import { ParameterError } from './parameter-error.ts';
import {
  always,
  type Body,
  NO_TOOLS,
  type Parameters,
  sortParameters,
  unless,
  unlessAll,
  unlessEmpty,
} from './parameters.ts';
import { ContentSchema, textOf } from './text-content.ts';

const { max_tokens, temperature, top_p } = GenerationSchema.shape;

/** An answer of before may come back as it was given, with its id and status. */
const ItemSchema = z.looseObject({
  type: z.string().nullish(),
  role: z.string().nullish(),
  content: ContentSchema.nullish(),
});

const FormatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  NamedSchemaSchema.extend({ type: z.literal('json_schema') }),
]);

export const ResponsesRequestSchema = z
  .strictObject({
    model: z.string().min(1).max(512).describe('An id of `GET /v1/models`, or `<agent or type>@<model>`.'),
    input: z
      .union([z.string(), z.array(ItemSchema).min(1)])
      .describe('A prompt, or messages of text alone, of which the last one is what is answered.'),
    instructions: z.string().optional(),
    stream: z.boolean().optional(),
    max_output_tokens: max_tokens,
    temperature,
    top_p,
    text: z.strictObject({ format: FormatSchema.nullish(), verbosity: z.string().nullish() }).optional(),
    metadata: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: 'ResponseRequest' });

const NOTHING_KEPT = 'No conversation is kept between requests; send the whole of it as `input`.';

/** What clients that keep nothing themselves always ask for: there is no reasoning here that would have to be kept. */
const HARMLESS = ['reasoning.encrypted_content'];

const PARAMETERS: Parameters = {
  known: Object.keys(ResponsesRequestSchema.shape),
  refused: [
    { param: 'tools', asks: unlessEmpty, says: NO_TOOLS },
    { param: 'tool_choice', asks: unless('none', 'auto'), says: NO_TOOLS },
    { param: 'max_tool_calls', asks: always, says: NO_TOOLS },
    { param: 'previous_response_id', asks: always, says: NOTHING_KEPT },
    { param: 'conversation', asks: always, says: NOTHING_KEPT },
    { param: 'context_management', asks: unlessEmpty, says: NOTHING_KEPT },
    {
      param: 'background',
      asks: unless(false),
      says: 'Nothing runs in the background here; submit a task with POST /api/tasks instead.',
    },
    { param: 'include', asks: unlessAll(HARMLESS), says: 'Nothing can be included besides the text.' },
    { param: 'prompt', asks: always, says: 'No prompt templates are kept here; send the text as `input`.' },
    { param: 'top_logprobs', asks: unless(0), says: 'The agents here do not tell log probabilities.' },
    { param: 'moderation', asks: always, says: 'No moderation is offered here.' },
  ],
  ignored: {
    parallel_tool_calls: undefined,
    prompt_cache_key: undefined,
    prompt_cache_options: undefined,
    prompt_cache_retention: undefined,
    reasoning: undefined,
    safety_identifier: undefined,
    service_tier: 'auto',
    store: false,
    stream_options: undefined,
    truncation: 'disabled',
    user: undefined,
  },
};

const SAMPLING = ['max_output_tokens', 'temperature', 'top_p'] as const;

export interface ResponsesAsk extends Ask {
  /** Said again in the answer. */
  readonly echo: Pick<
    z.infer<typeof ResponsesRequestSchema>,
    'instructions' | 'max_output_tokens' | 'temperature' | 'top_p' | 'metadata' | 'text'
  >;
}

/** @throws ParameterError, InvalidRequest naming all fields that do not fit */
export function readResponses(body: Body): ResponsesAsk {
  const { given, without_effect } = sortParameters(body, PARAMETERS);
  const parsed = ResponsesRequestSchema.safeParse(given);
  if (!parsed.success) throw invalidRequest(parsed.error, given);
  const { model, input, stream = false, ...echo } = parsed.data;
  const { instructions, max_output_tokens, temperature, top_p, text } = echo;
  const json = jsonOf(text?.format ?? undefined);
  const messages = typeof input === 'string' ? [{ role: 'user' as const, text: input }] : input.map(read);
  const above = instructions === undefined ? [] : [{ role: 'instructions' as const, text: instructions }];
  return {
    model,
    said: saidIn([...above, ...messages], 'input'),
    generation: {
      ...(max_output_tokens !== undefined && { max_tokens: max_output_tokens }),
      ...(temperature !== undefined && { temperature }),
      ...(top_p !== undefined && { top_p }),
    },
    stop: [],
    ...(json !== undefined && { json }),
    stream,
    sampling: SAMPLING.filter(name => given[name] !== undefined),
    without_effect: [...without_effect, ...(typeof text?.verbosity === 'string' ? ['text.verbosity'] : [])],
    echo,
  };
}

function jsonOf(format: z.infer<typeof FormatSchema> | undefined): JsonWish | undefined {
  if (format === undefined || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { param: 'text.format' };
  return { named: format, param: 'text.format.schema' };
}

function read(item: z.infer<typeof ItemSchema>, index: number): Message {
  const at = `input[${index}]`;
  const { content } = item;
  const type = item.type ?? 'message';
  if (type === 'item_reference') throw new ParameterError('unsupported_parameter', at, NOTHING_KEPT);
  if (type !== 'message') {
    throw new ParameterError(
      'unsupported_parameter',
      at,
      `Agents here take messages alone; leave out the item of type "${type.slice(0, 50)}".`,
    );
  }
  const known = roleOf(item.role ?? '', at);
  if (content === null || content === undefined)
    throw new ParameterError('invalid_request', `${at}.content`, 'A message needs its content.');
  return { role: known, text: textOf(content, `${at}.content`) };
}
