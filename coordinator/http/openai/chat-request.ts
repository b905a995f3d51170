/** What `POST /v1/chat/completions` takes. */
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
  unlessEmpty,
} from './parameters.ts';
import { ContentSchema, textOf } from './text-content.ts';

const { max_tokens, temperature, top_p, seed } = GenerationSchema.shape;

const MessageSchema = z.looseObject({
  role: z.string(),
  content: ContentSchema.nullish(),
  name: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
  function_call: z.unknown().optional(),
});

const StopSchema = z.string().min(1).max(256);

const FormatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({ type: z.literal('json_schema'), json_schema: NamedSchemaSchema }),
]);

export const ChatRequestSchema = z
  .strictObject({
    model: z.string().min(1).max(512).describe('An id of `GET /v1/models`, or `<agent or type>@<model>`.'),
    messages: z.array(MessageSchema).min(1).describe('Text alone; the last one is what is answered.'),
    stream: z.boolean().optional(),
    stream_options: z
      .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
      .optional(),
    stop: z.union([StopSchema, z.array(StopSchema).max(4)]).optional(),
    max_tokens,
    max_completion_tokens: max_tokens,
    temperature,
    top_p,
    seed,
    response_format: FormatSchema.optional(),
    n: z.literal(1).optional(),
  })
  .meta({ id: 'ChatCompletionRequest' });

const PARAMETERS: Parameters = {
  known: Object.keys(ChatRequestSchema.shape),
  refused: [
    { param: 'tools', asks: unlessEmpty, says: NO_TOOLS },
    { param: 'functions', asks: unlessEmpty, says: NO_TOOLS },
    { param: 'tool_choice', asks: unless('none', 'auto'), says: NO_TOOLS },
    { param: 'function_call', asks: unless('none', 'auto'), says: NO_TOOLS },
    {
      param: 'n',
      asks: value => typeof value === 'number' && value > 1,
      says: 'One answer is given; ask n times.',
    },
    { param: 'logprobs', asks: unless(false), says: 'The agents here do not tell log probabilities.' },
    { param: 'top_logprobs', asks: unless(0), says: 'The agents here do not tell log probabilities.' },
    { param: 'logit_bias', asks: unlessEmpty, says: 'The agents here take no logit bias.' },
    { param: 'audio', asks: always, says: 'The agents here answer in text alone.' },
    {
      param: 'modalities',
      asks: value => !(Array.isArray(value) && value.every(one => one === 'text')),
      says: 'The agents here answer in text alone.',
    },
    { param: 'prediction', asks: always, says: 'The agents here take no predicted output.' },
    {
      param: 'web_search_options',
      asks: always,
      says: 'Whether an agent here searches the web is a setting of its own; leave it out.',
    },
    { param: 'moderation', asks: always, says: 'No moderation is offered here.' },
  ],
  ignored: {
    frequency_penalty: 0,
    presence_penalty: 0,
    metadata: undefined,
    parallel_tool_calls: undefined,
    prompt_cache_key: undefined,
    prompt_cache_options: undefined,
    prompt_cache_retention: undefined,
    reasoning_effort: undefined,
    safety_identifier: undefined,
    service_tier: 'auto',
    store: false,
    user: undefined,
    verbosity: undefined,
  },
};

const SAMPLING = ['max_tokens', 'max_completion_tokens', 'temperature', 'top_p', 'seed'] as const;

export interface ChatAsk extends Ask {
  readonly include_usage: boolean;
}

/** @throws ParameterError, InvalidRequest naming all fields that do not fit */
export function readChat(body: Body): ChatAsk {
  const { given, without_effect } = sortParameters(body, PARAMETERS);
  const parsed = ChatRequestSchema.safeParse(given);
  if (!parsed.success) throw invalidRequest(parsed.error, given);
  const { model, messages, stream = false, stream_options, stop, response_format, ...rest } = parsed.data;
  const { max_completion_tokens, temperature, top_p, seed } = rest;
  const max_tokens = max_completion_tokens ?? rest.max_tokens;
  const stops = stop === undefined ? [] : [stop].flat();
  const json = jsonOf(response_format);
  return {
    model,
    said: saidIn(messages.map(read), 'messages'),
    generation: {
      ...(max_tokens !== undefined && { max_tokens }),
      ...(temperature !== undefined && { temperature }),
      ...(top_p !== undefined && { top_p }),
      ...(seed !== undefined && { seed }),
      ...(stops.length > 0 && { stop: stops }),
    },
    stop: stops,
    ...(json !== undefined && { json }),
    stream,
    sampling: SAMPLING.filter(name => given[name] !== undefined),
    include_usage: stream_options?.include_usage === true,
    without_effect: [...without_effect, ...named(messages)],
  };
}

function jsonOf(format: z.infer<typeof FormatSchema> | undefined): JsonWish | undefined {
  if (format === undefined || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { param: 'response_format' };
  return { named: format.json_schema, param: 'response_format.json_schema.schema' };
}

/** Who says it, among several of one role: no agent here is told. */
const named = (messages: readonly z.infer<typeof MessageSchema>[]): string[] =>
  messages.flatMap(({ name }, index) => (typeof name === 'string' ? [`messages[${index}].name`] : []));

function read(message: z.infer<typeof MessageSchema>, index: number): Message {
  const at = `messages[${index}]`;
  const { content, refusal, tool_calls, function_call } = message;
  if (message.role === 'tool' || message.role === 'function')
    throw new ParameterError('unsupported_parameter', `${at}.role`, NO_TOOLS);
  const role = roleOf(message.role, at);
  if ((tool_calls?.length ?? 0) > 0)
    throw new ParameterError('unsupported_parameter', `${at}.tool_calls`, NO_TOOLS);
  if (function_call !== undefined && function_call !== null)
    throw new ParameterError('unsupported_parameter', `${at}.function_call`, NO_TOOLS);
  if (content === null || content === undefined) {
    if (role === 'assistant') return { role, text: refusal ?? '' };
    throw new ParameterError('invalid_request', `${at}.content`, 'A message needs its content.');
  }
  return { role, text: textOf(content, `${at}.content`) };
}
