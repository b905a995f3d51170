/**
 * `/openapi.json`, and a page to read it, `/docs`. Everything the page needs comes from here; nothing of it is secret,
 * so that it needs no key.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import type { Door, DoorApp } from '../door.ts';
import { openApiDocument } from '../openapi.ts';
import type { JsonObject } from '../openapi-schemas.ts';
import { openProblems } from './problem-responses.ts';

const require = createRequire(import.meta.url);
const swaggerUi = (): string => dirname(require.resolve('swagger-ui-dist/package.json'));

const DOCUMENT = '/openapi.json';
const PAGE = '/docs';

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ccli API</title>
<link rel="icon" type="image/png" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> says the same without.</noscript>
<main id="api"></main>
<script src="docs/swagger-ui.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** Without `validatorUrl` the page would ask another host what it thinks of the document. */
const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

interface Asset {
  readonly type: string;
  /** A file of the package `swagger-ui-dist`, or the text itself. */
  readonly from: { readonly file: string } | { readonly text: string };
}

const SCRIPT = 'text/javascript; charset=utf-8';

const ASSETS: Readonly<Record<string, Asset>> = {
  [PAGE]: { type: 'text/html; charset=utf-8', from: { text: HTML } },
  [`${PAGE}/start.js`]: { type: SCRIPT, from: { text: START } },
  [`${PAGE}/swagger-ui.js`]: { type: SCRIPT, from: { file: 'swagger-ui-bundle.js' } },
  [`${PAGE}/swagger-ui.css`]: { type: 'text/css; charset=utf-8', from: { file: 'swagger-ui.css' } },
  [`${PAGE}/favicon.png`]: { type: 'image/png', from: { file: 'favicon-32x32.png' } },
};

/** Served to everybody, whether keys are set or not. */
export const PUBLIC_PATHS: readonly string[] = [DOCUMENT, `${PAGE}/`, ...Object.keys(ASSETS)];

const pageRoute = createRoute({
  method: 'get',
  path: PAGE,
  operationId: 'getDocs',
  summary: 'This document as a page',
  tags: ['System'],
  security: [],
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
    ...openProblems('too_many_requests'),
  },
});

const documentRoute = createRoute({
  method: 'get',
  path: DOCUMENT,
  operationId: 'getOpenApi',
  summary: 'This document',
  tags: ['System'],
  security: [],
  responses: {
    200: {
      description: 'OpenAPI 3.1.',
      content: { 'application/json': { schema: z.looseObject({ openapi: z.string() }) } },
    },
    ...openProblems('too_many_requests'),
  },
});

export function registerDocs(app: DoorApp, _door: Door): void {
  // Made when it is first asked for: then every route is there.
  let document: JsonObject | undefined;
  app.openAPIRegistry.registerPath(pageRoute);
  app.openapi(documentRoute, c => c.json({ openapi: '', ...(document ??= openApiDocument(app)) }, 200));

  for (const [path, { type, from }] of Object.entries(ASSETS)) {
    app.get(path, async c => {
      const body = 'text' in from ? from.text : new Uint8Array(await readFile(join(swaggerUi(), from.file)));
      return c.body(body, 200, { 'content-type': type, 'cache-control': 'public, max-age=3600' });
    });
  }
  app.get(`${PAGE}/`, c => c.redirect(`..${PAGE}`, 308));
}
