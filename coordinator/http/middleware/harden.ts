/** Headers that keep browsers from making more of an answer than it is. */
import type { MiddlewareHandler } from 'hono';
import type { DoorEnv } from '../door.ts';

/** For pages; everything they need is served here. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const harden: MiddlewareHandler<DoorEnv> = async (c, next) => {
  await next();
  const { headers } = c.res;
  headers.set('x-content-type-options', 'nosniff');
  headers.set('referrer-policy', 'no-referrer');
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
  const page = headers.get('content-type')?.startsWith('text/html') === true;
  if (page && !headers.has('content-security-policy')) headers.set('content-security-policy', PAGE_POLICY);
};
