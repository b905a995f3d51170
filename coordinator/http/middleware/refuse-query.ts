/** Refuses parameters at routes of `/api` that take none: a word misspelt is told, and not passed over. */
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { z } from 'zod';
import type { DoorApp, DoorEnv } from '../door.ts';
import { invalidRequest } from '../invalid-request.ts';

const NothingSchema = z.strictObject({});

/** @throws CcliError `invalid_request` */
export function refuseQuery(app: DoorApp): MiddlewareHandler<DoorEnv> {
  // Made with the first request: then every route is there.
  let bare: ReadonlySet<string> | undefined;
  return async (c, next) => {
    const query = c.req.queries();
    if (Object.keys(query).length > 0) {
      bare ??= withoutQuery(app);
      const route = matchedRoutes(c).at(-1);
      if (route !== undefined && bare.has(`${route.method} ${route.path}`)) {
        const { error } = NothingSchema.safeParse(query);
        if (error !== undefined) throw invalidRequest(error, query);
      }
    }
    await next();
  };
}

/** Method and path of each, as the router has them. */
const withoutQuery = (app: DoorApp): ReadonlySet<string> =>
  new Set(
    app.openAPIRegistry.definitions.flatMap(definition => {
      if (definition.type !== 'route') return [];
      const { method, path, request } = definition.route;
      if (!path.startsWith('/api/') || request?.query !== undefined) return [];
      return [`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`];
    }),
  );
