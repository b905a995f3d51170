/** The addresses of NATS servers, and whether a host reached them. Pure. */
import type { NatsReach } from './facts.ts';
import type { Address } from './preflight-script.ts';

const PORTS: Readonly<Record<string, number>> = { 'ws:': 80, 'wss:': 443 };
const NATS_PORT = 4222;

/** Host and port alone: a user and a password in an address stay here. What is no address is left out. */
export function natsAddresses(nats_url: string | undefined): Address[] {
  return (nats_url ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .flatMap(part => {
      const text = part.includes('://') ? part : `nats://${part}`;
      if (!URL.canParse(text)) return [];
      const { hostname, port, protocol } = new URL(text);
      const host = hostname.replace(/^\[(.*)\]$/, '$1');
      return host === '' ? [] : [{ host, port: port === '' ? (PORTS[protocol] ?? NATS_PORT) : Number(port) }];
    });
}

const shown = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export function readReach(addresses: readonly Address[], lines: readonly string[]): NatsReach | undefined {
  if (addresses.length === 0) return undefined;
  const told = lines.map(line => line.split('\t'));
  const servers = addresses.map(address => {
    const [, , outcome, reason = ''] =
      told.find(([host, port]) => host === address.host && port === String(address.port)) ?? [];
    const reached = outcome === 'yes' || outcome === 'no' ? outcome : 'unknown';
    return { address: shown(address), reached, ...(reason !== '' && { reason }) } as const;
  });
  const any = (outcome: string): boolean => servers.some(({ reached }) => reached === outcome);
  return { servers, reached: any('yes') ? 'yes' : any('unknown') ? 'unknown' : 'no' };
}
