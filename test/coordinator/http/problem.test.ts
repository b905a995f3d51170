import { HTTPException } from 'hono/http-exception';
import { describe, expect, test } from 'vitest';
import { errorResponse, problemOf } from '../../../coordinator/http/problem.ts';
import { CcliError, ERRORS, ErrorCodeSchema } from '../../../protocol/errors.ts';

describe('every error of the table is a problem', () => {
  test.each(Object.entries(ERRORS))('%s', async (name, { http, retryable }) => {
    const code = ErrorCodeSchema.parse(name);
    const response = errorResponse(
      new CcliError(code, 'What to do.', { retry_after_ms: 1_200 }),
      '/api/tasks',
      'r-1',
    );
    expect(response.status).toBe(http);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.json()).toEqual({
      type: `urn:ccli:error:${name}`,
      title: expect.stringMatching(/^[A-Z][a-z ]+$/) as string,
      status: http,
      detail: 'What to do.',
      code,
      retryable,
      request_id: 'r-1',
      retry_after: 2,
    });
  });
});

test('the cause is told', () => {
  const error = new CcliError('store_unavailable', undefined, { cause: new Error('no route to host') });
  expect(problemOf(error, 'r-1')).toMatchObject({ cause: 'no route to host', status: 503 });
});

test('what goes wrong inside is not', () => {
  const thrown = new TypeError('x is not a function, see /srv/secret/file.ts');
  const problem = problemOf(thrown, 'r-1');
  expect(problem).toMatchObject({ code: 'internal', status: 500 });
  expect(JSON.stringify(problem)).not.toContain('secret');
  expect(JSON.stringify(problemOf(new CcliError('internal', undefined, { cause: thrown })))).not.toContain(
    'secret',
  );
});

test('under /v1 it is what clients of the OpenAI API take apart', async () => {
  for (const path of ['/v1', '/v1/chat/completions']) {
    const response = errorResponse(new CcliError('unauthorized'), path, 'r-1');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toMatchObject({
      error: { code: 'unauthorized', type: 'authentication_error' },
    });
  }
  const inside = await errorResponse(new TypeError('secret'), '/v1/models', 'r-1').text();
  expect(inside).not.toContain('secret');
  expect(errorResponse(new CcliError('unauthorized'), '/v1x', 'r-1').headers.get('content-type')).toBe(
    'application/problem+json',
  );
});

test.each([
  [400, 'invalid_request'],
  [413, 'message_too_large'],
  [415, 'unsupported_media_type'],
  [418, 'internal'],
] as const)('a %s of the framework is %s', (status, code) => {
  expect(problemOf(new HTTPException(status))).toMatchObject({ code });
});
