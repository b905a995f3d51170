/** `/mcp` in the document: its messages have a specification of their own, so it is described and no more. */
import type { RouteConfig } from '@hono/zod-openapi';
import { localProblems, OF_BODIES } from './routes/problem-responses.ts';

const message = { type: 'object' as const, description: 'A message of JSON-RPC 2.0.' };
const externalDocs = {
  url: 'https://modelcontextprotocol.io/specification',
  description: 'The specification',
};
const refused = localProblems('too_many_streams');

const route = (about: Omit<RouteConfig, 'path' | 'tags'>): RouteConfig => ({
  ...about,
  path: '/mcp',
  tags: ['MCP'],
  externalDocs,
});

export const MCP_ROUTES: readonly RouteConfig[] = [
  route({
    method: 'post',
    operationId: 'postMcp',
    summary: 'Send a message of the Model Context Protocol',
    request: { body: { required: true, content: { 'application/json': { schema: message } } } },
    responses: {
      200: {
        description: 'The answer, at once or as a stream of events.',
        content: {
          'application/json': { schema: message },
          'text/event-stream': { schema: { type: 'string' } },
        },
      },
      202: { description: 'The message needs no answer.' },
      ...localProblems(...OF_BODIES),
    },
  }),
  route({
    method: 'get',
    operationId: 'streamMcp',
    summary: 'Listen to what the server has to say of its own accord',
    responses: {
      200: {
        description: 'A stream of events.',
        content: { 'text/event-stream': { schema: { type: 'string' } } },
      },
      405: { description: 'There is no such stream in this revision of the protocol.' },
      ...refused,
    },
  }),
  route({
    method: 'delete',
    operationId: 'endMcp',
    summary: 'End a session',
    responses: {
      200: { description: 'It has ended.' },
      405: { description: 'There are no sessions in this revision of the protocol.' },
      ...refused,
    },
  }),
];
