/** What a connection to NATS means, from wherever it was made. */
import type { NatsConnection } from '@nats-io/nats-core';
import { ok, type Verdict, warn } from '../finding.ts';
import { type NatsSettings, redactUrl } from './connect.ts';

export interface NatsFacts {
  /** `127.0.0.1:4222`. */
  readonly server: string;
  readonly server_version: string;
  readonly rtt_ms: number;
  readonly tls: boolean;
}

export async function readNats(
  connection: NatsConnection,
  { url, ca_file }: Pick<NatsSettings, 'url' | 'ca_file'>,
): Promise<NatsFacts> {
  // The first one may still wait for what connecting has left to do.
  await connection.flush();
  const began = performance.now();
  await connection.flush();
  const rtt_ms = performance.now() - began;
  const { info } = connection;
  // A client takes TLS where the server insists on it, or where it was told of it and the server can.
  const asked = ca_file !== undefined || url.startsWith('tls:');
  return {
    server: redactUrl(connection.getServer()),
    server_version: info?.version ?? 'of an unknown version',
    rtt_ms,
    tls: info?.tls_required === true || (asked && info?.tls_available === true),
  };
}

export function judgeNats({ server, server_version, rtt_ms, tls }: NatsFacts): readonly Verdict[] {
  const says = `nats-server ${server_version} at ${server} answers in ${rounded(rtt_ms)} ms, ${tls ? 'with' : 'without'} TLS.`;
  if (tls || isLoopback(server)) return [ok(says, { took_ms: rtt_ms })];
  return [
    warn(
      `${says} Prompts and answers cross the network in plain text.`,
      'Give the server a certificate (`tls` in nats-server.conf), and name its CA in nats.ca_file.',
      { took_ms: rtt_ms },
    ),
  ];
}

const rounded = (ms: number): string => (ms < 10 ? ms.toFixed(1) : ms.toFixed(0));

/** Of `host`, `host:port` or a URL. */
export function isLoopback(address: string): boolean {
  const host = address
    .replace(/^\w+:\/\//, '')
    .replace(/[/].*$/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}
