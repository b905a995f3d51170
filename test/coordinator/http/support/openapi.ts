/** The OpenAPI document of a door, in the parts that tests look at, and whether what is answered keeps to it. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { z } from 'zod';

const SchemaSchema = z.record(z.string(), z.unknown());
const ContentSchema = z.record(z.string(), z.looseObject({ schema: SchemaSchema.optional() }));
const OperationSchema = z.looseObject({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()).length(1),
  requestBody: z.looseObject({ content: ContentSchema }).optional(),
  responses: z.record(
    z.string(),
    z.looseObject({ description: z.string().min(1), content: ContentSchema.optional() }),
  ),
});

const OpenApiSchema = z.looseObject({
  openapi: z.literal('3.1.0'),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  tags: z.array(z.looseObject({ name: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), OperationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), SchemaSchema) }),
});
export type OpenApi = z.infer<typeof OpenApiSchema>;

export async function readOpenApi(url: string): Promise<OpenApi> {
  const response = await fetch(`${url}/openapi.json`);
  return OpenApiSchema.parse(await response.json());
}

const ROOT = 'https://ccli.example/openapi.json';

/** Field by field what the document says, and no field more. */
export interface Contract {
  /** @param path as the document has it: `/api/tasks/{id}` */
  readonly keptBy: (response: Response, method: string, path: string) => Promise<unknown>;
}

export function contractOf(document: OpenApi): Contract {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(closed(document) as object, ROOT);
  return {
    async keptBy(response, method, path) {
      const { status, headers } = response;
      const type = headers.get('content-type')?.split(';')[0] ?? '';
      const responses = document.paths[path]?.[method]?.responses ?? {};
      const known = String(status) in responses ? String(status) : 'default';
      expect(Object.keys(responses[known]?.content ?? {}), `${method} ${path}: ${status}`).toContain(type);
      const pointer = ['paths', path, method, 'responses', known, 'content', type, 'schema'];
      const body: unknown = await response.json();
      const valid = ajv.compile({ $ref: `${ROOT}#/${pointer.map(escaped).join('/')}` });
      valid(body);
      expect(valid.errors ?? [], `${method} ${path}: ${JSON.stringify(body)}`).toEqual([]);
      return body;
    },
  };
}

const escaped = (token: string): string =>
  encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1'));

/** A copy in which a field that is not written down is a mistake. */
function closed(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closed);
  if (typeof part !== 'object' || part === null) return part;
  const copy = Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, closed(inner)]));
  const isOpen = copy['type'] === 'object' && 'properties' in copy && !('additionalProperties' in copy);
  return isOpen ? { ...copy, additionalProperties: false } : copy;
}
