/** Whatever is thrown at the HTTP door of a real coordinator: a clear refusal, bounded memory, and nothing left open. */
import { readFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HttpSettingsSchema } from '../../coordinator/http/settings.ts';
import { bodyOf, type RawClient, rawClient } from '../coordinator/http/support/raw-client.ts';
import { startDaemon } from '../support/daemon.ts';
import { testFleet } from '../support/fleet.ts';
import { malformedTexts } from '../support/malformed-json.ts';
import { testNats } from '../support/nats-server.ts';
import { waitFor } from '../support/wait.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
type Limits = ReturnType<typeof HttpSettingsSchema.parse>['limits'];

const sockets = (): number =>
  process.getActiveResourcesInfo().filter(kind => kind === 'TCPSocketWrap').length;

/** A coordinator that must still answer when its test is over, with no connection more than before. */
async function door(limits: Partial<Limits> = {}): Promise<string> {
  const defaults = HttpSettingsSchema.parse({}).limits;
  const { coordinator } = await testFleet({ http: { enabled: true, limits: { ...defaults, ...limits } } });
  const url = coordinator.http_url ?? '';
  const before = sockets();
  onTestFinished(async () => {
    // Once the clients of the test are gone; `fetch` keeps connections of its own.
    await waitFor(() => sockets() <= before, { what: 'every connection being closed' });
    const client = await rawClient(url);
    await client.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(await client.closed()).toContain('"status":"ok"');
    const client_of_api = await rawClient(url);
    await client_of_api.send('GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(await client_of_api.closed()).toMatch(/^HTTP\/1.1 200 /);
  });
  return url;
}

interface Said {
  readonly status: number;
  readonly code: unknown;
}

function parse(answer: string): Said {
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
  const body: unknown = JSON.parse(bodyOf(answer));
  const code = typeof body === 'object' && body !== null && 'code' in body ? body.code : undefined;
  return { status: Number(status), code };
}

async function say(url: string, text: string | Uint8Array): Promise<RawClient> {
  const client = await rawClient(url);
  await client.send(text);
  return client;
}

const ask = async (url: string, text: string | Uint8Array): Promise<Said> =>
  parse(await (await say(url, text)).closed());

const post = (path: string, body: string, headers = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

const TAKES_BODY = [
  '/api/tasks',
  '/api/agents/cli',
  '/api/agents/ollama',
  '/api/coordinate',
  '/v1/chat/completions',
  '/v1/responses',
  '/mcp',
];

test('whatever body is sent to whatever route, the answer is a 4xx that says why', async () => {
  const url = await door();
  for (const path of TAKES_BODY)
    for (const body of malformedTexts()) {
      const client = await say(url, post(path, body));
      const answer = await client.closed();
      expect([path, body.slice(0, 60), answer.slice(0, 12)]).toEqual([
        path,
        body.slice(0, 60),
        expect.stringMatching(/^HTTP\/1.1 4\d\d/),
      ]);
      expect(JSON.parse(bodyOf(answer))).toBeTypeOf('object');
      expect(answer).not.toMatch(/node_modules|\.ts:\d/);
    }
});

describe('bodies of 100 MiB', () => {
  test('are refused by their size, and not read', async () => {
    const url = await door();
    const client = await say(
      url,
      `POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${100 * MIB}\r\n\r\n`,
    );
    const sent = await pour(client, 100 * MIB, piece => piece);
    expect(sent).toBeLessThan(50 * MIB);
    expect(parse(client.received())).toEqual({ status: 413, code: 'message_too_large' });
  });

  test('are refused when they turn out to be that large', async () => {
    const url = await door({ body: 8 * MIB });
    const client = await say(
      url,
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const sent = await pour(client, 100 * MIB, chunked);
    expect(sent).toBeLessThan(58 * MIB);
    expect(parse(client.received())).toEqual({ status: 413, code: 'message_too_large' });
  });

  test('hold no more memory than all bodies together may, however many come', async () => {
    const { url, peak } = await doorAlone();
    const before = await peak();
    const answers = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const client = await say(
          url,
          'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
        );
        await pour(client, 100 * MIB, chunked);
        return parse(client.received());
      }),
    );
    for (const { status, code } of answers)
      expect([
        [413, 'message_too_large'],
        [503, 'overloaded'],
      ]).toContainEqual([status, code]);
    // 1,200 MiB were offered.
    expect((await peak()) - before).toBeLessThan(400 * MIB);
    expect(await levelOf(url, 'ccli_http_body_bytes')).toBe('0');
  });

  test('of nothing but brackets are not parsed', async () => {
    const { url, peak } = await doorAlone();
    const before = await peak();
    for (const body of ['['.repeat(40 * MIB), `[${'{},'.repeat(13 * MIB)}{}]`])
      expect(await ask(url, post('/api/tasks', body))).toEqual({ status: 400, code: 'invalid_request' });
    expect((await peak()) - before).toBeLessThan(400 * MIB);
  });

  test('that come byte by byte cost no more than others', async () => {
    const { url, peak } = await doorAlone();
    const before = await peak();
    const client = await say(
      url,
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
    );
    const bytes = '1\r\nx\r\n'.repeat(16 * KIB);
    for (let sent = 0; sent < 2 * MIB; sent += 16 * KIB) await client.send(bytes);
    await waitFor(async () => Number(await levelOf(url, 'ccli_http_body_bytes')) >= 2 * MIB);
    // Kept as they come, these are 800 MiB.
    expect((await peak()) - before).toBeLessThan(200 * MIB);
    await client.send('0\r\n\r\n');
    expect(parse(await client.closed())).toEqual({ status: 400, code: 'invalid_request' });
  });

  test('of another kind than JSON are not read, wherever they are sent', async () => {
    const url = await door();
    for (const path of TAKES_BODY)
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/json; charset=utf-16',
      ]) {
        const client = await say(
          url,
          `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${40 * MIB}\r\n\r\n`,
        );
        expect([path, await client.closed()]).toEqual([path, expect.stringMatching(/^HTTP\/1.1 415 /)]);
      }
  });
});

interface DoorAlone {
  readonly url: string;
  /** Most memory it ever had, in bytes. */
  readonly peak: () => Promise<number>;
}

/** In a process of its own, whose memory is nobody else's. */
async function doorAlone(): Promise<DoorAlone> {
  const { url: nats } = await testNats();
  const daemon = startDaemon({
    program: 'coordinator',
    environment: { CCLI_NATS_URL: nats, CCLI_HTTP: 'true', CCLI_HTTP_PORT: '0' },
  });
  await daemon.logged('ready');
  const [, url] = /"event":"http_listening".*?"url":"([^"]+)"/.exec(daemon.log()) ?? [];
  if (url === undefined) throw new Error(`the door is not open:\n${daemon.log()}`);
  return {
    url,
    async peak() {
      const status = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * KIB;
    },
  };
}

const PIECE = Buffer.alloc(64 * KIB, 0x78);
const chunked = (piece: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);

/** Sends until it is done or the other side has had enough; resolves with how many bytes were taken. */
async function pour(client: RawClient, bytes: number, wrap: (piece: Buffer) => Buffer): Promise<number> {
  const piece = wrap(PIECE);
  let sent = 0;
  while (sent < bytes && (await client.send(piece))) sent += PIECE.length;
  await client.closed();
  return sent;
}

const levelOf = async (url: string, name: string): Promise<string | undefined> => {
  const client = await say(url, 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  return new RegExp(`^${name} (\\d+)$`, 'm').exec(await client.closed())?.[1];
};

describe('a head that is too large', () => {
  const flood = (count: number, length: number): string =>
    Array.from({ length: count }, (_, i) => `X-Flood-${i}: ${'x'.repeat(length)}\r\n`).join('');

  const HEADS: Readonly<Record<string, string>> = {
    'one header of 1 MiB': `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${flood(1, MIB)}\r\n`,
    'a thousand headers': `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${flood(1_000, 100)}\r\n`,
    'more headers than are looked at': `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${flood(200, 1)}\r\n`,
    'a cookie jar': `GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: ${'a=b; '.repeat(10_000)}\r\n\r\n`,
    'an address of 1 MiB': `GET /${'x'.repeat(MIB)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  };

  test('is refused as such, whatever makes it so', async () => {
    const url = await door();
    for (const [what, head] of Object.entries(HEADS))
      expect([what, await ask(url, head)]).toEqual([what, { status: 431, code: 'head_too_large' }]);
  });

  test('is not collected while it never ends', async () => {
    const url = await door();
    const client = await say(url, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n');
    const sent = await pour(client, 100 * MIB, piece => piece);
    expect(sent).toBeLessThan(50 * MIB);
  });
});

describe('a request that is never finished', () => {
  const limits = { head_timeout: 300, request_timeout: 600 };
  const late = { status: 408, code: 'request_incomplete' };

  const UNFINISHED: readonly [string, string][] = [
    ['nothing after the first line', 'GET /healthz HTTP/1.1\r\n'],
    ['half a line', 'GET /hea'],
    ['half a header', 'GET /healthz HTTP/1.1\r\nHost: loc'],
    [
      'half a body',
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"pro',
    ],
    [
      'chunks without an end',
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n',
    ],
  ];

  test('is closed in time, wherever it stops', async () => {
    const url = await door(limits);
    const said = await Promise.all(UNFINISHED.map(async ([what, text]) => [what, await ask(url, text)]));
    expect(said).toEqual(UNFINISHED.map(([what]) => [what, late]));
  });

  test('is closed in time also when it says nothing at all', async () => {
    const url = await door({ ...limits, stalled: 500 });
    await (await rawClient(url)).closed();
  });

  test('is closed in time although something comes now and then', async () => {
    const url = await door(limits);
    const client = await say(url, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n');
    const dripping = waitFor(async () => !(await client.send('X-More: 1\r\n')), { pause_ms: 50 });
    expect(parse(await client.closed())).toEqual(late);
    await dripping;
  });

  test('does not count as such while its answer takes long', async () => {
    const url = await door(limits);
    const client = await say(url, 'GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.until('retry:');
    // Two that are cut off one after the other: by then its own time would be over as well.
    expect(await ask(url, 'GET /hea')).toEqual(late);
    const body =
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n';
    expect(await ask(url, body)).toEqual(late);
    expect(await levelOf(url, 'ccli_http_streams')).toBe('1');
    client.destroy();
    await waitFor(async () => (await levelOf(url, 'ccli_http_streams')) === '0');
  });
});

describe('what is not HTTP', () => {
  const NOT_HTTP: readonly [string, string | Uint8Array][] = [
    ['noise', Uint8Array.from({ length: 4_096 }, (_, i) => (i * 151 + 13) % 256)],
    ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a version that is none', 'GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n'],
    ['a method that is none', 'FROBNICATE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a NUL in the address', 'GET /health\0z HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Nul: a\0b\r\n\r\n'],
    ['a space before the colon', 'GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n'],
    [
      'two ways to tell the length',
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'two lengths',
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde',
    ],
    ['a length that is none', 'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    [
      'a chunk of no length',
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    ],
  ];

  test('is refused as such', async () => {
    const url = await door();
    for (const [what, bytes] of NOT_HTTP)
      expect([what, await ask(url, bytes)]).toEqual([what, { status: 400, code: 'invalid_request' }]);
  });

  const REFUSED: readonly [string, string, Said][] = [
    ['no name of a host', 'GET /healthz HTTP/1.1\r\n\r\n', { status: 400, code: 'invalid_request' }],
    [
      'an expectation that is none',
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: foo\r\n\r\n',
      { status: 400, code: 'invalid_request' },
    ],
    [
      'a tunnel',
      'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n',
      { status: 405, code: 'method_not_allowed' },
    ],
  ];

  test('or not for us, is told why', async () => {
    const url = await door({ stalled: 2_000 });
    for (const [what, text, said] of REFUSED) expect([what, await ask(url, text)]).toEqual([what, said]);
  });

  const ODD: readonly [string, string][] = [
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'],
    [
      'an address of somewhere else',
      'GET http://[/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    ],
    [
      'another protocol to go on with',
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n',
    ],
  ];

  test('or hardly so, is answered or closed, and never waited for', async () => {
    const url = await door();
    for (const [what, text] of ODD) {
      const client = await say(url, text);
      expect([what, await client.closed()]).toEqual([what, expect.not.stringMatching(/^HTTP\/1.1 5/)]);
    }
  });

  test('ends a connection on which a good request came before it', async () => {
    const url = await door();
    const client = await say(
      url,
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\n',
    );
    expect(await client.closed()).toMatch(/HTTP\/1.1 400 /);
  });

  test('may be escaped in an address', async () => {
    const url = await door();
    for (const path of [
      '/api/tasks/%00',
      '/api/tasks/%ff%fe',
      '/api/tasks/%2e%2e%2f',
      `/api/tasks/${'x'.repeat(8_000)}`,
    ]) {
      const { status } = await ask(
        url,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect([path.slice(0, 30), status >= 400 && status < 500]).toEqual([path.slice(0, 30), true]);
    }
  });
});

describe('connections', () => {
  test('are no more than they may be, and those beyond are closed', async () => {
    const url = await door({ connections: 50 });
    const tried = await Promise.all(Array.from({ length: 400 }, () => rawClient(url).catch(() => undefined)));
    const clients = tried.filter(client => client !== undefined);
    let closed = tried.length - clients.length;
    const ends = clients.map(client =>
      client.closed().then(() => {
        closed += 1;
      }),
    );
    // The connections of before are still there: these were the first to be taken.
    await waitFor(() => closed >= 350);
    const [first] = clients;
    await first?.send('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const dropped = /^ccli_http_connections_dropped_total (\d+)$/m.exec((await first?.closed()) ?? '')?.[1];
    expect(Number(dropped)).toBeGreaterThanOrEqual(350);
    for (const client of clients) client.destroy();
    await Promise.all(ends);
  });

  test('are closed when nobody reads what was asked for', async () => {
    const url = await door({ stalled: 500 });
    const client = await rawClient(url);
    client.pause();
    const requests = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50);
    // Until the answers fill all that lies between.
    await waitFor(async () => !(await client.send(requests)), { pause_ms: 1 });
    client.destroy();
  });

  test('that are reset in the middle leave nothing behind', async () => {
    const url = await door();
    for (let i = 0; i < 100; i += 1) {
      const client = await say(url, post('/api/coordinate', '{"prompt":"hello"}').slice(0, 100 + i));
      client.destroy();
    }
    await waitFor(async () => (await levelOf(url, 'ccli_http_requests_in_flight')) === '1');
    expect(await levelOf(url, 'ccli_http_body_bytes')).toBe('0');
  });
});
