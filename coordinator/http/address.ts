/** Addresses and names of hosts, as far as it matters who can reach them. */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Reached from this machine alone. A name other than `localhost` may stand for any address. */
export function isLoopback(host: string): boolean {
  const address = bare(host);
  if (address.toLowerCase() === 'localhost') return true;
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** `[::1]` is how a URL has it. */
export const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');

/** For URLs; one that listens everywhere is reached at the loopback address. */
export function urlHost(host: string): string {
  const address = bare(host);
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return isIP(address) === 6 ? `[${address}]` : address;
}

/** The name in a `Host` header, without its port. Undefined when it is none. */
export function hostName(header: string): string | undefined {
  const [, name] = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(header) ?? [];
  return name?.toLowerCase();
}

/** An IPv4 client of a socket that listens on IPv6 as well. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');
