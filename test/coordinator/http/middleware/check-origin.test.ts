/** Which web pages may call, and under which names. */
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { keysFile } from '../support/keys-file.ts';
import { openDoor } from '../support/open-door.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** `fetch` sends neither header as it is told to. */
const call = (url: string, headers: Record<string, string>, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', piece => {
        text += String(piece);
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    sent.on('error', reject);
    sent.end();
  });

describe('the name the door is called by', () => {
  test('is one of this machine', async () => {
    const { url } = await openDoor();
    for (const host of [
      'localhost',
      'localhost:1',
      '127.0.0.1:8000',
      '[::1]:8000',
      'LOCALHOST:8000',
      '127.0.0.2',
    ])
      expect([host, (await call(`${url}/healthz`, { host })).status]).toEqual([host, 200]);
  });

  test('is not one that a page has made up', async () => {
    const { url } = await openDoor();
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '192.0.2.1',
      '127.0.0.1.evil.example:8000',
    ]) {
      const { status, text } = await call(`${url}/healthz`, { host });
      expect([host, status]).toEqual([host, 403]);
      expect(JSON.parse(text)).toMatchObject({ code: 'forbidden_origin' });
      expect(text).toContain('allowed_hosts');
    }
  });

  test('may be one that is allowed, with any port or with that one only', async () => {
    const { url } = await openDoor({ settings: { allowed_hosts: ['Ccli.Example', 'walnut:8443'] } });
    const status = async (host: string): Promise<number> => (await call(`${url}/healthz`, { host })).status;
    expect(await status('ccli.example:8000')).toBe(200);
    expect(await status('CCLI.example')).toBe(200);
    expect(await status('walnut:8443')).toBe(200);
    expect(await status('walnut:80')).toBe(403);
    expect(await status('other.example')).toBe(403);
  });

  test('does not matter where a key is needed, unless names are listed', async () => {
    const { path } = await keysFile('ada secret-key-of-ada');
    const open = await openDoor({ settings: { keys_file: path } });
    expect((await call(`${open.url}/healthz`, { host: 'walnut.example' })).status).toBe(200);
    const listed = await openDoor({ settings: { keys_file: path, allowed_hosts: ['walnut.example'] } });
    expect((await call(`${listed.url}/healthz`, { host: 'walnut.example' })).status).toBe(200);
    expect((await call(`${listed.url}/healthz`, { host: 'other.example' })).status).toBe(403);
  });
});

describe('a request of a web page', () => {
  test('is refused, unless the page came from here', async () => {
    const { url } = await openDoor();
    const { host } = new URL(url);
    const status = async (origin: string): Promise<number> =>
      (await call(`${url}/healthz`, { host, origin })).status;
    expect(await status(`http://${host}`)).toBe(200);
    expect(await status(`https://${host}`)).toBe(200);
    for (const origin of [
      'http://evil.example',
      'null',
      '',
      `http://${host}.evil.example`,
      'http://localhost',
      host,
    ])
      expect([origin, await status(origin)]).toEqual([origin, 403]);
  });

  test('may be one that is allowed, and then the page may read the answer', async () => {
    const { url } = await openDoor({ settings: { allowed_origins: ['https://dashboard.example/'] } });
    const origin = 'https://dashboard.example';
    const { status, headers } = await call(`${url}/healthz`, { origin });
    expect(status).toBe(200);
    expect(headers['access-control-allow-origin']).toBe(origin);
    expect(headers['vary']).toBe('Origin');
    expect((await call(`${url}/healthz`, { origin: 'https://other.example' })).status).toBe(403);
    const refused = await call(`${url}/nothing`, { origin });
    expect(refused.status).toBe(404);
    expect(refused.headers['access-control-allow-origin']).toBe(origin);
  });

  test('may be asked about before it is sent, without a key', async () => {
    const { path } = await keysFile('ada secret-key-of-ada');
    const { url } = await openDoor({
      settings: { keys_file: path, allowed_origins: ['https://dashboard.example'] },
    });
    const preflight = (origin: string): Promise<Answer> =>
      call(
        `${url}/api/tasks`,
        {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
        'OPTIONS',
      );
    const { status, headers } = await preflight('https://dashboard.example');
    expect(status).toBe(204);
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://dashboard.example',
      'access-control-allow-headers': 'authorization,content-type',
    });
    expect(headers['access-control-allow-methods']).toContain('DELETE');
    expect((await preflight('https://evil.example')).status).toBe(403);
  });

  test('never gets a header that lets it read when no page is allowed', async () => {
    const { url } = await openDoor();
    const { headers } = await call(`${url}/healthz`, { host: new URL(url).host, origin: url });
    expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([]);
  });
});
