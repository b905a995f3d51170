/** `/docs`: a page that needs nothing but this door. */
import { expect, test } from 'vitest';
import { PUBLIC_PATHS } from '../../../../coordinator/http/routes/docs.ts';
import { openDoor } from '../support/open-door.ts';

/** What a page refers to, wherever that is. */
const references = (html: string): string[] =>
  [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, target]) => target ?? '');

test('the page has a title, and finds everything it needs here', async () => {
  const { url } = await openDoor();
  const page = await fetch(`${url}/docs`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const html = await page.text();
  expect(html).toContain('<title>ccli API</title>');
  const targets = references(html).map(target => new URL(target, page.url));
  expect(targets.length).toBe(5);
  for (const target of targets) {
    expect(target.origin).toBe(url);
    const found = await fetch(target);
    expect(found.status, target.pathname).toBe(200);
    expect((await found.arrayBuffer()).byteLength, target.pathname).toBeGreaterThan(100);
    expect(PUBLIC_PATHS).toContain(target.pathname);
  }
});

test('what it loads is what it says it is', async () => {
  const { url } = await openDoor();
  const typeOf = async (path: string): Promise<string | null> =>
    (await fetch(`${url}/docs/${path}`)).headers.get('content-type');
  expect(await typeOf('swagger-ui.css')).toBe('text/css; charset=utf-8');
  expect(await typeOf('swagger-ui.js')).toBe('text/javascript; charset=utf-8');
  expect(await typeOf('start.js')).toBe('text/javascript; charset=utf-8');
  expect(await typeOf('favicon.png')).toBe('image/png');
  expect(await (await fetch(`${url}/docs/start.js`)).text()).toContain("url: 'openapi.json'");
  expect(await (await fetch(`${url}/docs/swagger-ui.js`)).text()).toContain('SwaggerUIBundle');
});

test('a browser may load nothing from elsewhere', async () => {
  const { url } = await openDoor();
  const policy = (await fetch(`${url}/docs`)).headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("connect-src 'self'");
  expect(policy).not.toMatch(/https?:/);
});

test('with a slash at its end it is found as well', async () => {
  const { url } = await openDoor();
  expect((await fetch(`${url}/docs/`)).url).toBe(`${url}/docs`);
});

test('nothing but its own files is served beside it', async () => {
  const { url } = await openDoor();
  for (const path of [
    'package.json',
    'swagger-ui.js.map',
    '..%2f..%2fpackage.json',
    '%2e%2e/package.json',
    'index.html',
  ])
    expect((await fetch(`${url}/docs/${path}`)).status, path).toBe(404);
});
