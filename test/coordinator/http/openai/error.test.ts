import { expect, test } from 'vitest';
import { openAiError, openAiErrorOf } from '../../../../coordinator/http/openai/error.ts';
import { ParameterError } from '../../../../coordinator/http/openai/parameter-error.ts';
import { TaskFailure } from '../../../../coordinator/http/openai/task-failure.ts';
import { CcliError } from '../../../../protocol/errors.ts';

test.each([
  ['invalid_request', 400, 'invalid_request_error'],
  ['unauthorized', 401, 'authentication_error'],
  ['forbidden_origin', 403, 'permission_error'],
  ['not_found', 404, 'not_found_error'],
  ['rate_limited', 429, 'rate_limit_error'],
  ['no_agents', 503, 'server_error'],
  ['invalid_answer', 502, 'server_error'],
] as const)("%s is a %i of OpenAI's type %s", (code, status, type) => {
  const problem = openAiError(new CcliError(code));
  expect(problem.status).toBe(status);
  expect(problem.body.error).toMatchObject({ type, code, param: null });
});

test('uses the codes that clients go by for a filtered answer and for too long a prompt', () => {
  expect(openAiError(new CcliError('safety_refused'))).toMatchObject({
    status: 400,
    body: { error: { code: 'content_filter', type: 'invalid_request_error' } },
  });
  for (const code of ['context_too_long', 'prompt_too_large'] as const)
    expect(openAiError(new CcliError(code))).toMatchObject({
      status: 400,
      body: { error: { code: 'context_length_exceeded' } },
    });
});

test('an agent that is not signed in is not mistaken for a wrong API key', () => {
  expect(openAiError(new CcliError('cli_not_signed_in'))).toMatchObject({
    status: 502,
    body: { error: { type: 'server_error', code: 'cli_not_signed_in' } },
  });
});

test('says when to come back, in both units', () => {
  const { headers } = openAiError(new CcliError('rate_limited', undefined, { retry_after_ms: 1_200 }));
  expect(headers).toEqual({ 'retry-after': '2', 'retry-after-ms': '1200' });
});

test('tells clients not to repeat what cannot succeed', () => {
  expect(openAiError(new CcliError('cancelled')).headers).toEqual({ 'x-should-retry': 'false' });
});

test('names the parameter at fault, or the first of the fields', () => {
  const named = openAiError(new ParameterError('unsupported_parameter', 'tools', 'No.'));
  expect(named.body.error).toEqual({
    message: 'No.',
    type: 'invalid_request_error',
    param: 'tools',
    code: 'unsupported_parameter',
  });
  const fields = [
    { path: 'messages.0.content.1.text', message: 'is missing' },
    { path: 'model', message: 'is missing' },
  ];
  expect(openAiError(new CcliError('invalid_request'), fields).body.error.param).toBe(
    'messages[0].content[1].text',
  );
});

test('tells the cause in the sentence, since there is no other place for it', () => {
  const problem = openAiErrorOf({
    code: 'cli_crashed',
    message: 'It ended',
    retryable: true,
    cause: 'exit code 3',
  });
  expect(problem.body.error.message).toBe('It ended. Cause: exit code 3');
});

test('a model that nobody has is an invalid request, of the parameter that named it', () => {
  expect(openAiErrorOf({ code: 'model_not_found', message: 'No.', retryable: false })).toMatchObject({
    status: 404,
    body: { error: { type: 'invalid_request_error', param: 'model' } },
  });
});

test('names the task of what went wrong after there was one, and keeps the rest', () => {
  const error = new ParameterError('invalid_request', 'response_format', 'No.');
  expect(openAiError(new TaskFailure('t1', error))).toMatchObject({
    body: { error: { param: 'response_format', message: 'No.' } },
    headers: { 'x-ccli-task-id': 't1' },
  });
  const paused = new CcliError('rate_limited', undefined, { retry_after_ms: 1_000 });
  expect(openAiError(new TaskFailure('t1', paused)).headers).toMatchObject({ 'retry-after': '1' });
});

test('what is not ours becomes internal', () => {
  expect(openAiError('oops').body.error).toMatchObject({ code: 'internal', type: 'server_error' });
});
