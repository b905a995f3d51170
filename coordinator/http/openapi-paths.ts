/** The routes of the door as the `paths` of an OpenAPI document. */
import type { RouteConfig } from '@hono/zod-openapi';
import { z } from 'zod';
import type { JsonObject, Schemas, Side } from './openapi-schemas.ts';

/** @returns by path, in the order in which the routes were made, and by method */
export function pathsOf(routes: readonly RouteConfig[], schemas: Schemas): JsonObject {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method] = operationOf(route, schemas);
  }
  return paths;
}

function operationOf({ method, path, request = {}, responses, ...about }: RouteConfig, schemas: Schemas) {
  const { body, params, query, headers, cookies } = request;
  if (Array.isArray(headers)) throw new TypeError(`${method} ${path} has its headers in an array.`);
  const parameters = [
    ...parametersOf('path', params, schemas),
    ...parametersOf('query', query, schemas),
    ...parametersOf('header', headers, schemas),
    ...parametersOf('cookie', cookies, schemas),
  ];
  return {
    ...about,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: converted(body, 'input', schemas) }),
    responses: Object.fromEntries(
      Object.entries(responses).map(([status, response]) => [status, responseOf(response, schemas)]),
    ),
  };
}

const ObjectSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })).default({}),
  required: z.array(z.string()).default([]),
});

/** What a schema of several parameters says of each. */
function fieldsOf(schema: z.core.$ZodType, side: Side, schemas: Schemas) {
  const { properties, required } = ObjectSchema.parse(schemas.of(schema, side));
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    required: required.includes(name),
    about: { ...(description !== undefined && { description }), schema: rest },
  }));
}

function parametersOf(
  place: 'path' | 'query' | 'header' | 'cookie',
  schema: z.core.$ZodType | undefined,
  schemas: Schemas,
): readonly JsonObject[] {
  if (schema === undefined) return [];
  return fieldsOf(schema, 'input', schemas).map(({ name, required, about }) => ({
    name,
    in: place,
    ...((required || place === 'path') && { required: true }),
    ...about,
  }));
}

function responseOf(response: RouteConfig['responses'][string], schemas: Schemas): unknown {
  if (!('headers' in response) || !(response.headers instanceof z.ZodType))
    return converted(response, 'output', schemas);
  const { headers, ...rest } = response;
  const fields = fieldsOf(headers, 'output', schemas).map(({ name, required, about }) => [
    name,
    { ...about, ...(required && { required }) },
  ]);
  return converted({ ...rest, headers: Object.fromEntries(fields) as JsonObject }, 'output', schemas);
}

/** A copy with every zod schema converted. */
function converted(part: unknown, side: Side, schemas: Schemas): unknown {
  if (part instanceof z.ZodType) return schemas.of(part, side);
  if (Array.isArray(part)) return part.map(inner => converted(inner, side, schemas));
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(
    Object.entries(part).map(([key, inner]) => [key, converted(inner, side, schemas)]),
  );
}
