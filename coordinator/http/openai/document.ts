/** The routes of `/v1` in the OpenAPI document. They check their bodies themselves, to refuse in OpenAI's own words. */
import type { RouteConfig } from '@hono/zod-openapi';
import { z } from 'zod';
import type { DoorApp } from '../door.ts';

export const OPENAI_TAGS = ['openai'];

const ErrorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z
        .string()
        .describe("A code of the error table, or OpenAI's own: `content_filter`, `context_length_exceeded`."),
    }),
  })
  .meta({ id: 'OpenAiError' });

interface Described {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: string[];
  readonly params?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly schema: z.ZodType;
  /** What a streamed answer consists of. */
  readonly streams?: string;
}

export function describe(app: DoorApp, route: Described): void {
  const { params, headers, body, schema, streams, ...about } = route;
  const config: RouteConfig = {
    ...about,
    request: {
      ...(params !== undefined && { params }),
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && {
        body: { required: true, content: { 'application/json': { schema: body } } },
      }),
    },
    responses: {
      200: {
        description: streams ?? 'The answer.',
        content: {
          'application/json': { schema },
          ...(streams !== undefined && { 'text/event-stream': { schema: z.string() } }),
        },
      },
      default: {
        description: 'What went wrong, in the shape of OpenAI.',
        content: { 'application/json': { schema: ErrorSchema } },
      },
    },
  };
  app.openAPIRegistry.registerPath(config);
}

export const ExtensionsSchema = z.object({
  'x-ccli-timeout-s': z.string().optional().describe('Longest one attempt may take, in seconds.'),
  'x-ccli-priority': z.string().optional().describe('From -100 to 100; larger goes first.'),
});
