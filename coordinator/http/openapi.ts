/**
 * The OpenAPI document of the door, from the routes themselves. `openapi.json` beside it is the same, for whoever makes
 * clients of it: `npm run openapi` writes it anew, and a test fails while it is not the same.
 */
import type { RouteConfig } from '@hono/zod-openapi';
import { VERSION } from '../../protocol/daemon/version.ts';
import type { DoorApp } from './door.ts';
import { ALWAYS_THERE, COMPONENT_NAMES } from './openapi-components.ts';
import { DESCRIPTIONS } from './openapi-descriptions.ts';
import { MCP_ROUTES } from './openapi-mcp.ts';
import { pathsOf } from './openapi-paths.ts';
import { createSchemas, type JsonObject } from './openapi-schemas.ts';

const ABOUT = {
  title: 'ccli',
  summary: 'One door to the AI command-line tools and local models on your GPU hosts.',
  description: [
    'Tasks are durable: once accepted, they go on whoever hangs up. `/v1` is for clients of the OpenAI API, `/mcp` for those of the Model Context Protocol.',
    'Errors are problem details (RFC 9457) whose `code` is stable. Fields that are not known are refused. New fields may come to answers at any time: pass over those you do not know.',
    'A door on a loopback address may be open to everybody there; any other demands an API key.',
  ].join('\n\n'),
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
};

const TAGS: readonly { readonly name: string; readonly description: string }[] = [
  { name: 'Tasks', description: 'Prompts, and what becomes of them.' },
  { name: 'Agents', description: 'What answers prompts: CLIs and models on the nodes.' },
  { name: 'Nodes', description: 'The hosts they run on.' },
  { name: 'Coordination', description: 'One prompt to several agents.' },
  { name: 'Fleet', description: 'What happens in it, and the whole in numbers.' },
  { name: 'OpenAI', description: 'What clients of the OpenAI API call.' },
  { name: 'MCP', description: 'The Model Context Protocol over streamable HTTP.' },
  { name: 'System', description: 'For whoever watches over this coordinator, and this document.' },
];

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'An API key.' },
  api_key: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same key.' },
};

/** Once all routes are there. */
export function openApiDocument(app: DoorApp): JsonObject {
  const schemas = createSchemas({ names: COMPONENT_NAMES, descriptions: DESCRIPTIONS });
  const routes = app.openAPIRegistry.definitions.flatMap(definition =>
    definition.type === 'route' ? [definition.route] : [],
  );
  const paths = pathsOf([...routes, ...MCP_ROUTES].map(withDefaults), schemas);
  for (const schema of ALWAYS_THERE) schemas.add(schema);
  const settled = schemas.settle({ paths });
  return {
    openapi: '3.1.0',
    info: { ...ABOUT, version: VERSION },
    servers: [{ url: '/', description: 'Where this document comes from.' }],
    tags: TAGS,
    // Either, or none where the door is open.
    security: [{ bearer: [] }, { api_key: [] }, {}],
    ...settled.document,
    components: { schemas: settled.schemas, securitySchemes: SECURITY_SCHEMES },
  };
}

/** What every operation has, whether its route thought of it or not. */
const withDefaults = ({ operationId, tags = ['System'], ...route }: RouteConfig): RouteConfig => ({
  ...route,
  operationId: operationId ?? nameOf(route),
  tags: tags.map(tag => TAGS.find(({ name }) => name.toLowerCase() === tag.toLowerCase())?.name ?? tag),
});

/** `getHealthz` of `GET /healthz`. */
const nameOf = ({ method, path }: Pick<RouteConfig, 'method' | 'path'>): string =>
  method + path.replace(/[^A-Za-z0-9]+(\w?)/g, (_match, letter: string) => letter.toUpperCase());
