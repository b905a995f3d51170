/** A TCP proxy before a server, for tests that cut the line or let it fall silent. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TcpProxy {
  readonly port: number;
  /** Connections it has taken so far. */
  readonly taken: () => number;
  /** Those it has ended at once, after a cut. */
  readonly refused: () => number;
  /** Ends every connection, and takes none until `restore`. */
  readonly cut: () => void;
  readonly restore: () => void;
  /** Nothing arrives any more in either direction, and nobody is told. */
  readonly silence: () => void;
  /** Lets the server say one more thing; what comes after it waits until `letGo`. */
  readonly holdAfterNext: () => void;
  readonly letGo: () => void;
}

export async function tcpProxy(to: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const servers = new Set<Socket>();
  let refusing = false;
  let silent = false;
  let taken = 0;
  let refused = 0;
  const server = createServer({ noDelay: true }, near => {
    if (refusing) {
      refused += 1;
      near.destroy();
      return;
    }
    taken += 1;
    const far = connect({ port: to, host: '127.0.0.1', noDelay: true });
    servers.add(far);
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from
        .on('data', bytes => {
          if (!silent) into.write(bytes);
        })
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(from);
          servers.delete(from);
          into.destroy();
        });
    }
  });
  server.listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const cut = (): void => {
    refusing = true;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(async () => {
    cut();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    taken: () => taken,
    refused: () => refused,
    cut,
    restore: () => {
      refusing = false;
    },
    silence: () => {
      silent = true;
    },
    holdAfterNext: () => {
      for (const socket of servers) socket.once('data', () => socket.pause());
    },
    letGo: () => {
      for (const socket of servers) socket.resume();
    },
  };
}
