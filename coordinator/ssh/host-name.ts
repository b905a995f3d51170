/** The names by which hosts are called: what `ssh` takes, and `host:port` besides. */
import { CcliError } from '../../protocol/errors.ts';

export interface HostName {
  readonly user?: string;
  readonly host: string;
  readonly port?: number;
}

const USER = /^[A-Za-z0-9_][\w.@\\-]*$/;
/** A name, an IPv4 address, or an IPv6 address with its zone. */
const HOST = /^[A-Za-z0-9_][\w.-]*$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[\w.-]+)?$/;

/**
 * `[user@]host[:port]`, `[user@][address]:port` or `ssh://…`. Never an option, and nothing a shell would notice.
 *
 * @throws CcliError `invalid_request`
 */
export function parseHostName(text: string): HostName {
  const spec = text.replace(/^ssh:\/\//i, '').replace(/\/$/, '');
  const at = spec.lastIndexOf('@');
  const user = at === -1 ? undefined : spec.slice(0, at);
  const { host, port } = splitPort(spec.slice(at + 1));
  const fits =
    HOST.test(host) &&
    (user === undefined || USER.test(user)) &&
    (port === undefined || (port >= 1 && port <= 65_535));
  if (!fits)
    throw new CcliError(
      'invalid_request',
      `"${text}" is not a host; give a name as ssh takes it: walnut, you@walnut or walnut:2222.`,
    );
  return { host, ...(user !== undefined && { user }), ...(port !== undefined && { port }) };
}

function splitPort(text: string): { readonly host: string; readonly port?: number } {
  const [, host = text, port] =
    /^\[([^\]]+)\](?::(\d+))?$|^$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text) ?? [];
  return { host, ...(port !== undefined && { port: Number(port) }) };
}
