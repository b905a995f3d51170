/** Opens the way to a host: over its jump hosts, one after the other, each checked and signed in at like the last. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import type { ClientConfig } from './client-config.ts';
import { addressOf } from './client-config.ts';
import { within } from './deadline.ts';
import { dial } from './dial.ts';
import { stageTimeout, unreachable } from './failure.ts';
import { prepare, signIn } from './handshake.ts';
import type { Keyring } from './keyring.ts';
import type { SshTimings } from './ssh.ts';

/** A client that is signed in, and all that carries it. */
export interface Link {
  readonly client: Client;
  /** The one real socket, at the bottom. */
  readonly socket: Socket;
  readonly timings: SshTimings;
  /** Whether anything can still be sent over it. */
  readonly writable: () => boolean;
  /** Answered by the server after all that was sent to it before. */
  readonly ping: (onAnswer: () => void) => void;
  /** Ends it and every connection below it at once. */
  readonly destroy: () => void;
}

interface LinkOptions {
  readonly keyring: Keyring;
  /** Of each stage, unless the configuration of the host says otherwise. */
  readonly timeout_ms: number;
  readonly signal: AbortSignal;
}

/** @param route first hop first, the host itself last. @throws CcliError as `SshHost.probe` */
export async function openLink(route: readonly ClientConfig[], options: LinkOptions): Promise<Link> {
  const { keyring, signal } = options;
  const [first] = route;
  if (first === undefined) throw new Error('a route without a host');
  const limitOf = (config: ClientConfig): number => config.connect_timeout_ms ?? options.timeout_ms;

  // All that takes its time comes before the connection: a host that hangs up at once must find us listening.
  let prepared = await prepare(first, { keyring, timeout_ms: limitOf(first) });
  const began = performance.now();
  const socket = await dial(first, limitOf(first), signal);
  const clients: Client[] = [];
  const destroy = (): void => {
    for (const client of clients.toReversed()) client.destroy();
    socket.destroy();
  };
  try {
    let stream: Duplex = socket;
    let connected = performance.now();
    for (const [index, config] of route.entries()) {
      const timeout_ms = limitOf(config);
      const carrier = stream;
      const signed_in = await signIn(stream, config, { prepared, timeout_ms, signal });
      const { client, handshake_ms, auth_ms, host_key } = signed_in;
      clients.push(client);
      // From here on the connection's own listener says what went wrong; this one only keeps it from being fatal.
      client.on('error', () => undefined);
      const next = route[index + 1];
      if (next === undefined)
        return {
          client,
          socket,
          timings: { connect_ms: connected - began, handshake_ms, auth_ms, host_key },
          writable: () => carrier.writable && !carrier.writableEnded,
          // To take back a forwarding that nobody has asked for does nothing, and every server answers it.
          ping: onAnswer => client.unforwardIn('127.0.0.1', 1, onAnswer),
          destroy,
        };
      prepared = await prepare(next, { keyring, timeout_ms });
      stream = await forward(client, config, next, timeout_ms, signal);
      connected = performance.now();
    }
    throw new Error('a route without an end');
  } catch (error) {
    destroy();
    throw error;
  }
}

function forward(
  client: Client,
  via: ClientConfig,
  to: ClientConfig,
  timeout_ms: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const opened = new Promise<Duplex>((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, to.hostname, to.port, (error, channel) => {
      if (error === undefined) {
        // The host has hung up: unlike a socket, the channel would wait for us to do the same.
        channel.once('end', () => channel.destroy());
        resolve(channel);
      } else
        reject(
          unreachable(
            to.name,
            `${addressOf(to)} from ${via.name}`,
            new Error(`${via.name} cannot reach it: ${error.message}`, { cause: error }),
          ),
        );
    });
  });
  return within(opened, { timeout_ms, late: () => stageTimeout(to.name, 'connect', timeout_ms), signal });
}
