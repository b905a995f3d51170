import { expect, test } from 'vitest';
import { addressOf } from '../../../../coordinator/cli/agents/endpoint.ts';

test.each<[string, unknown, string]>([
  ['walnut', undefined, 'http://walnut:11434'],
  ['walnut:11434/', undefined, 'http://walnut:11434'],
  [' walnut:11435 ', undefined, 'http://walnut:11435'],
  ['walnut', 11_435, 'http://walnut:11435'],
  ['walnut/team', '11435', 'http://walnut:11435/team'],
  ['http://walnut', 11_435, 'http://walnut:11435'],
  ['http://walnut', undefined, 'http://walnut'],
  ['https://walnut:443/team/', 443, 'https://walnut:443/team'],
  ['[::1]', undefined, 'http://[::1]:11434'],
  ['http://[::1]', 8_080, 'http://[::1]:8080'],
])('%j with port %j is %j', (text, port, endpoint) => {
  expect(addressOf(text, port)).toEqual({ endpoint });
});

test.each([
  ['walnut:11434/api', '/api'],
  ['http://walnut:11434/api/generate', '/api/generate'],
  ['walnut:11434/v1/chat/completions/', '/v1/chat/completions'],
])('of %j the path of an API is left off', (text, path) => {
  expect(addressOf(text)).toEqual({
    endpoint: 'http://walnut:11434',
    remark: `${path} was left off its endpoint`,
  });
});

test.each<[string, unknown, string]>([
  ['walnut:11434', 11_435, 'walnut:11434 and port 11435 contradict each other'],
  ['walnut', 'web', 'port "web" is no port'],
  ['walnut', 65_536, 'port 65536 is no port'],
])('%j with port %j is no address', (text, port, problem) => {
  expect(addressOf(text, port).problem).toBe(problem);
});

test.each(['http://user@walnut', 'walnut?key=1', 'fd00::7', ''])(
  '%j is left to the schema, which refuses it',
  text => {
    expect(addressOf(text)).toEqual({ endpoint: text });
  },
);
