import { describe, expect, test } from 'vitest';
import { httpEnvironment } from '../../../coordinator/embedded/http-door.ts';

describe('where the coordinator of an embedded fleet serves HTTP', () => {
  test('is any free port when nobody asked for one and the usual one is taken', () => {
    expect(httpEnvironment({}, undefined)).toEqual({ CCLI_HTTP_WHEN_TAKEN: 'any_port' });
  });

  test('is the port that was asked for, or none, whatever the environment says', () => {
    const environment = { CCLI_HTTP_PORT: '9000', CCLI_HTTP: 'false' };
    expect(httpEnvironment(environment, 8123)).toEqual({ CCLI_HTTP: 'true', CCLI_HTTP_PORT: '8123' });
    expect(httpEnvironment(environment, 'off')).toEqual({ CCLI_HTTP: 'false' });
  });

  test('is what the environment names, which no other port stands in for', () => {
    expect(httpEnvironment({ CCLI_HTTP_PORT: '9000' }, undefined)).toEqual({});
  });
});
