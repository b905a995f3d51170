/** How much of a body is taken in, and of what kind. */
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createBodyBudget } from '../../../../coordinator/http/body-budget.ts';
import type { DoorEnv } from '../../../../coordinator/http/door.ts';
import { bodyDone } from '../../../../coordinator/http/held-body.ts';
import { listen } from '../../../../coordinator/http/listen.ts';
import { readBody } from '../../../../coordinator/http/middleware/read-body.ts';
import { CcliError } from '../../../../protocol/errors.ts';
import { waitFor } from '../../../support/wait.ts';
import { keysFile } from '../support/keys-file.ts';
import { openDoor } from '../support/open-door.ts';
import { bodyOf, rawClient } from '../support/raw-client.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const KIB = 1024;

const levelOf = async (url: string): Promise<string | undefined> =>
  /^ccli_http_body_bytes (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];

/** A door whose tasks all come to nothing, once their prompt is known. */
async function prompted(limits: { body?: number; bodies?: number } = {}) {
  const prompts: (string | undefined)[] = [];
  const door = await openDoor({
    limits,
    operations: {
      submit: ({ prompt }) => {
        prompts.push(prompt);
        return Promise.reject(new CcliError('store_full'));
      },
    },
  });
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = JSON_TYPE) =>
    fetch(`${door.url}/api/tasks`, { method: 'POST', headers, body });
  return { ...door, prompts, post };
}

test('a body is read whole, however it arrives', async () => {
  const { url, prompts } = await prompted();
  const text = JSON.stringify({ prompt: 'a prompt with ünïcödé ✓' });
  const client = await rawClient(url);
  const head = 'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  await client.send(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  for (const byte of Buffer.from(text)) {
    await client.send('1\r\n');
    await client.send(Uint8Array.of(byte));
    await client.send('\r\n');
  }
  await client.send('0\r\n\r\n');
  await client.until('store_full');
  expect(prompts).toEqual(['a prompt with ünïcödé ✓']);
});

describe('a body over the limit', () => {
  test('is refused by its size alone, before it is sent', async () => {
    const { url, prompts } = await prompted({ body: KIB });
    const client = await rawClient(url);
    await client.send(
      `POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${KIB + 1}\r\n\r\n`,
    );
    const said = await client.closed();
    expect(said).toMatch(/^HTTP\/1.1 413 /);
    expect(said.toLowerCase()).toContain('connection: close');
    expect(JSON.parse(bodyOf(said))).toMatchObject({ code: 'message_too_large', status: 413 });
    expect(prompts).toEqual([]);
  });

  test('is not asked for', async () => {
    const { url } = await prompted({ body: KIB });
    const ask = async (length: number): Promise<string> => {
      const client = await rawClient(url);
      await client.send(
        `POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`,
      );
      return await client.until('HTTP/1.1 ');
    };
    expect(await ask(KIB + 1)).toMatch(/^HTTP\/1.1 413 /);
    expect(await ask(KIB)).toMatch(/^HTTP\/1.1 100 /);
  });

  test('is refused while it arrives when it did not tell its size', async () => {
    const { url } = await prompted({ body: KIB });
    const client = await rawClient(url);
    await client.send(
      'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const piece = `200\r\n${'x'.repeat(512)}\r\n`;
    await waitFor(async () => !(await client.send(piece)) || client.received().includes('413'));
    expect(await client.closed()).toMatch(/^HTTP\/1.1 413 /);
  });

  test('may be one byte less', async () => {
    const { post } = await prompted({ body: KIB });
    const body = JSON.stringify({ prompt: 'x'.repeat(KIB - '{"prompt":""}'.length) });
    expect(body).toHaveLength(KIB);
    expect((await post(body)).status).toBe(507);
    expect((await post(`${body} `)).status).toBe(413);
  });
});

test('all bodies of a client together hold no more than they may, and give it back', async () => {
  const { url, post } = await prompted({ body: 8 * KIB, bodies: 40 * KIB });
  const head = `POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${8 * KIB}\r\n\r\n`;
  const holding = await rawClient(url);
  await holding.send(head);
  await holding.send('x'.repeat(7 * KIB));
  await waitFor(async () => (await levelOf(url)) === String(8 * KIB));
  const refused = await post(JSON.stringify({ prompt: 'x'.repeat(4 * KIB) }));
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(await refused.json()).toMatchObject({ code: 'overloaded', retryable: true });
  expect((await post(JSON.stringify({ prompt: 'small' }))).status).toBe(507);
  holding.destroy();
  await waitFor(async () => (await levelOf(url)) === '0');
  expect((await post(JSON.stringify({ prompt: 'x'.repeat(4 * KIB) }))).status).toBe(507);
});

describe('a body that is not what it should be', () => {
  const codeOf = async (answer: Promise<Response>): Promise<unknown> => {
    const response = await answer;
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    return [response.status, code, detail];
  };
  const some = expect.any(String) as string;

  test.each([
    '{',
    '{"prompt": ',
    "{'prompt': 'x'}",
    'prompt=x',
    '{"prompt":"a\u0000b"}',
    '',
    ' ',
    'nul',
    '{"prompt":"x"}}',
  ])('is no JSON: %j', async text => {
    const { post } = await prompted();
    expect(await codeOf(post(text))).toEqual([400, 'invalid_request', some]);
  });

  test.each(['[]', '"text"', '7', 'null', 'true', '[{"prompt":"x"}]'])('is no object: %s', async text => {
    const { post } = await prompted();
    expect(await codeOf(post(text))).toEqual([
      400,
      'invalid_request',
      expect.stringContaining('object') as string,
    ]);
  });

  test.each([
    [{ 'content-type': 'text/plain' }],
    [{ 'content-type': 'application/x-www-form-urlencoded' }],
    [{ 'content-type': 'multipart/form-data; boundary=x' }],
    [{ 'content-type': 'application/jsonx' }],
    [{ 'content-type': 'application/json; charset=utf-16' }],
    [{ 'content-type': '' }],
    [{ ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ])('is of a kind that is not taken: %j', async headers => {
    const { post } = await prompted();
    expect(await codeOf(post('{"prompt":"x"}', headers))).toEqual([415, 'unsupported_media_type', some]);
  });

  test('is not UTF-8', async () => {
    const { post } = await prompted();
    const body = Uint8Array.from([...Buffer.from('{"prompt":"'), 0xff, 0xfe, ...Buffer.from('"}')]);
    expect(await codeOf(post(body))).toEqual([
      400,
      'invalid_request',
      expect.stringContaining('UTF-8') as string,
    ]);
  });

  test('is too deep, or made of too many parts', async () => {
    const { post } = await prompted();
    for (const text of [`{"prompt":${'['.repeat(100_000)}`, `{"prompt":[${'{},'.repeat(300_000)}{}]}`])
      expect(await codeOf(post(text))).toEqual([400, 'invalid_request', some]);
  });

  test('lacks what is demanded, or has what nobody knows', async () => {
    const { post } = await prompted();
    expect(await codeOf(post('{}'))).toEqual([400, 'invalid_request', 'Missing required field: prompt']);
    expect(await codeOf(post('{"prompt":"x","promt":1}'))).toEqual([
      400,
      'invalid_request',
      'promt: is not a known field.',
    ]);
  });
});

test('whoever calls is known before a body is asked for', async () => {
  const { path } = await keysFile('ada secret-key-of-ada');
  const { url } = await openDoor({ settings: { keys_file: path } });
  const client = await rawClient(url);
  await client.send(
    'POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n',
  );
  expect(await client.until('HTTP/1.1 ')).toMatch(/^HTTP\/1.1 401 /);
});

test.each(['application/json;', 'application/x_y+json', 'Application/JSON; charset="UTF-8"; v=1'])(
  'JSON may be called %s',
  async type => {
    const { post, prompts } = await prompted();
    await post('{"prompt":"named"}', { 'content-type': type });
    expect(prompts).toEqual(['named']);
  },
);

test('a handler that waits holds nothing of the body it has done with', async () => {
  const budget = createBodyBudget({ limit: KIB, per_client: KIB });
  const app = new Hono<DoorEnv>();
  let finish = (): void => undefined;
  const finished = new Promise<void>(resolve => {
    finish = resolve;
  });
  let incoming: object = {};
  app.post('/', readBody({ limit: KIB, budget }), async c => {
    incoming = c.env.incoming ?? {};
    const { name } = await c.req.json<{ name: string }>();
    expect(budget.bytes).toBe(14);
    bodyDone(c);
    await finished;
    return c.text(name);
  });
  const listener = getRequestListener(app.fetch);
  const server = createServer((request, response) => void listener(request, response));
  onTestFinished(() => {
    server.close();
  });
  const url = await listen(server, { host: '127.0.0.1', port: 0, when_taken: 'fail' });
  const answer = fetch(url, { method: 'POST', headers: JSON_TYPE, body: '{"name":"ada"}' });
  await waitFor(() => 'rawBody' in incoming && incoming.rawBody === undefined);
  expect(budget.bytes).toBe(0);
  finish();
  expect(await (await answer).text()).toBe('ada');
});

test('JSON may have a byte order mark and name its encoding', async () => {
  const { post, prompts } = await prompted();
  await post('\ufeff{"prompt":"marked"}', { 'content-type': 'application/json; charset=utf-8' });
  expect(prompts).toEqual(['marked']);
});
