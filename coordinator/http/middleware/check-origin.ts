/**
 * Keeps web pages of others out, which can make any browser on this machine send requests here: those that reach us
 * under a name of their own (DNS rebinding), and those that only send (CSRF). Programs send no `Origin`.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { CcliError } from '../../../protocol/errors.ts';
import { bare, hostName, isLoopback } from '../address.ts';
import type { DoorEnv } from '../door.ts';
import type { HttpSettings } from '../settings.ts';

const PREFLIGHT_AGE_S = '600';
const EXPOSED = 'Location, Retry-After, X-Request-Id, Mcp-Session-Id';
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';

type OriginSettings = Pick<HttpSettings, 'host' | 'keys_file' | 'allowed_hosts' | 'allowed_origins'>;

export function checkOrigin(settings: OriginSettings): MiddlewareHandler<DoorEnv> {
  const hosts = new Set(settings.allowed_hosts.map(host => host.toLowerCase()));
  const origins = new Set(settings.allowed_origins.map(url => new URL(url).origin));
  /** A rebound page has no key: without a list of names, keys are protection enough. */
  const any_host = settings.keys_file !== undefined && hosts.size === 0;

  const knows = (header: string): boolean => {
    if (hosts.has(header.toLowerCase())) return true;
    const name = hostName(header);
    return (
      name !== undefined &&
      (isLoopback(name) || bare(name) === bare(settings.host).toLowerCase() || hosts.has(name))
    );
  };

  return async (c, next) => {
    const host = c.req.header('host') ?? '';
    if (!any_host && !knows(host))
      throw new CcliError(
        'forbidden_origin',
        'This host name is not known here; add it to http.allowed_hosts, or use the address.',
      );
    const origin = c.req.header('origin');
    if (origin === undefined) {
      await next();
      return;
    }
    const allowed = origins.has(origin);
    if (!allowed && !isSame(origin, host))
      throw new CcliError(
        'forbidden_origin',
        'Requests of other web pages are refused; add the origin to http.allowed_origins to allow it.',
      );
    if (!allowed) {
      await next();
      return;
    }
    if (isPreflight(c)) {
      c.res = preflight(origin, c.req.header('access-control-request-headers'));
      return;
    }
    await next();
    c.res.headers.set('access-control-allow-origin', origin);
    c.res.headers.set('access-control-expose-headers', EXPOSED);
    c.res.headers.append('vary', 'Origin');
  };
}

/** Whoever ends TLS before us changes the scheme, never the host. */
const isSame = (origin: string, host: string): boolean =>
  /^https?:\/\//.test(origin) && origin.replace(/^https?:\/\//, '').toLowerCase() === host.toLowerCase();

const isPreflight = (c: Context<DoorEnv>): boolean =>
  c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;

/** Asked before the key is sent, so it is answered without one. */
const preflight = (origin: string, headers: string | undefined): Response =>
  new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': METHODS,
      'access-control-max-age': PREFLIGHT_AGE_S,
      ...(headers !== undefined && { 'access-control-allow-headers': headers }),
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    },
  });
