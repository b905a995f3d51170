/** The door itself: where it listens, and how it closes. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { CcliError } from '../../../protocol/errors.ts';
import { FLEET_STATUS } from '../../support/fleet-status.ts';
import { waitFor } from '../../support/wait.ts';
import { keysFile } from './support/keys-file.ts';
import { openDoor } from './support/open-door.ts';
import { rawClient } from './support/raw-client.ts';

const refusal = async (work: Promise<unknown>): Promise<CcliError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof CcliError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

/** Something a request can be made to wait for. */
function latch<T>(value: T): {
  readonly wait: () => Promise<T>;
  readonly waiting: () => boolean;
  readonly open: () => void;
} {
  let open: () => void = () => undefined;
  let waiting = false;
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  return {
    wait: async () => {
      waiting = true;
      await opened;
      return value;
    },
    waiting: () => waiting,
    open: () => {
      open();
    },
  };
}

let release: () => void = () => undefined;
afterEach(() => {
  release();
  release = () => undefined;
});

describe('where it listens', () => {
  test('is told by its url, on a free port when none is named', async () => {
    const { url, logged } = await openDoor();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(logged('http_listening')).toMatchObject([{ url, keys: false }]);
  });

  test('may be an IPv6 address', async () => {
    const { url } = await openDoor({ settings: { host: '::1' } });
    expect(url).toMatch(/^http:\/\/\[::1\]:/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('is refused by name when somebody else listens there', async () => {
    const other = createServer();
    onTestFinished(() => {
      other.close();
    });
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const error = await refusal(openDoor({ settings: { port } }));
    expect(error.code).toBe('address_in_use');
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain('http.port');
  });

  test('is a free port when somebody else has the one it would rather have', async () => {
    const first = await openDoor();
    const port = Number(new URL(first.url).port);
    const second = await openDoor({ settings: { port, when_taken: 'any_port' } });
    expect(second.url).not.toBe(first.url);
    expect((await fetch(`${second.url}/healthz`)).status).toBe(200);
  });

  test.each(['192.0.2.1', 'no-such-host.invalid'])(
    'is refused by name when it is no address of ours: %s',
    async host => {
      // With keys, so that it gets as far as listening.
      const error = await refusal(
        openDoor({ settings: { host, keys_file: (await keysFile('ada secret-key-of-ada')).path } }),
      );
      expect(error.code).toBe('config_invalid');
      expect(error.message).toContain(host);
    },
  );

  test.each(['0.0.0.0', '::', '192.0.2.1', 'walnut.example', '127.0.0.1.example'])(
    'is never %s without API keys',
    async host => {
      const error = await refusal(openDoor({ settings: { host } }));
      expect(error.code).toBe('config_invalid');
      expect(error.message).toContain('http.keys_file');
    },
  );
});

describe('while it closes', () => {
  test('a request that is being answered gets its answer', async () => {
    const status = latch(FLEET_STATUS);
    release = status.open;
    const { url, stop, errors } = await openDoor({ operations: { status: status.wait } });
    const answer = fetch(`${url}/metrics`);
    await waitFor(status.waiting);
    const stopped = stop();
    status.open();
    const response = await answer;
    expect(response.status).toBe(200);
    expect(response.headers.get('connection')).toBe('close');
    expect(await response.text()).toContain('ccli_tasks');
    await stopped;
    expect(errors).toEqual([]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  test('a request that takes too long is told to come back', async () => {
    const status = latch(FLEET_STATUS);
    release = status.open;
    const { url, stop } = await openDoor({ operations: { status: status.wait } });
    const answer = fetch(`${url}/metrics`);
    await waitFor(status.waiting);
    await Promise.all([
      stop(),
      answer.then(async response => {
        expect(response.status).toBe(503);
        expect(response.headers.get('retry-after')).toBe('1');
        expect(await response.json()).toMatchObject({ code: 'shutting_down', retryable: true });
      }),
    ]);
  });

  test('a request that arrives on a connection of before is told to come back', async () => {
    const status = latch(FLEET_STATUS);
    release = status.open;
    const { url, stop } = await openDoor({ operations: { status: status.wait } });
    const client = await rawClient(url);
    await client.send('GET /healthz HTTP/1.1\r\nHost: ');
    const answer = fetch(`${url}/metrics`);
    await waitFor(status.waiting);
    const stopped = stop();
    await client.send('localhost\r\n\r\n');
    const said = await client.closed();
    expect(said).toContain('HTTP/1.1 503 ');
    expect(said).toContain('"code":"shutting_down"');
    expect(said.toLowerCase()).toContain('connection: close');
    status.open();
    expect((await answer).status).toBe(200);
    await stopped;
  });

  test('whoever waits for operations hears that it is over', async () => {
    let heard: unknown;
    let asked = false;
    const { url, stop } = await openDoor({
      operations: {
        status: (_request, { signal }) =>
          new Promise((_resolve, reject) => {
            asked = true;
            signal.addEventListener('abort', () => {
              heard = signal.reason;
              reject(new CcliError('cancelled'));
            });
          }),
      },
    });
    const answer = fetch(`${url}/metrics`);
    await waitFor(() => asked);
    await Promise.all([stop(), answer]);
    expect(heard).toMatchObject({ code: 'shutting_down' });
  });

  test('its streams are ended before its connections are', async () => {
    const order: string[] = [];
    const { url, stop } = await openDoor({
      streams: {
        close: () => {
          order.push('streams');
          return Promise.resolve();
        },
      },
    });
    const idle = await rawClient(url);
    await stop();
    order.push('stopped');
    await idle.closed();
    expect(order).toEqual(['streams', 'stopped']);
  });

  test('idle and half-open connections do not hold it up', async () => {
    const { url, stop, errors } = await openDoor();
    const [silent, asking, sending] = await Promise.all([rawClient(url), rawClient(url), rawClient(url)]);
    await asking.send('GET /healthz HTTP/1.1\r\nHost: loc');
    await sending.send(
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
    await stop();
    await Promise.all([silent, asking, sending].map(client => client.closed()));
    expect(errors).toEqual([]);
  });
});

test('a client that hangs up ends what was waited for on its behalf', async () => {
  let heard: unknown;
  let asked = false;
  const { url } = await openDoor({
    operations: {
      status: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          asked = true;
          signal.addEventListener('abort', () => {
            heard = signal.reason;
            reject(new CcliError('cancelled'));
          });
        }),
    },
  });
  const client = await rawClient(url);
  await client.send('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await waitFor(() => asked);
  client.destroy();
  await waitFor(() => heard);
  expect(heard).toMatchObject({ code: 'cancelled' });
});

test('requests that were sent one after another end with their connection', async () => {
  const reasons: unknown[] = [];
  let asked = 0;
  const { url } = await openDoor({
    operations: {
      status: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          asked += 1;
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(new CcliError('cancelled'));
          });
        }),
    },
  });
  const client = await rawClient(url);
  await client.send('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(16));
  await waitFor(() => asked === 16);
  client.destroy();
  await waitFor(() => reasons.length === 16);
});
