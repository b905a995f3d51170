import { expect, test } from 'vitest';
import { hostName, isLoopback, plainAddress, urlHost } from '../../../coordinator/http/address.ts';

test.each(['127.0.0.1', '127.8.9.10', '::1', '[::1]', 'localhost', 'LOCALHOST', '::ffff:127.0.0.1'])(
  'only this machine reaches %s',
  host => {
    expect(isLoopback(host)).toBe(true);
  },
);

test.each([
  '0.0.0.0',
  '::',
  '192.0.2.1',
  '2001:db8::1',
  'walnut',
  'localhost.example',
  '127.0.0.1.example',
  '127.1',
  '',
])('others may reach "%s"', host => {
  expect(isLoopback(host)).toBe(false);
});

test.each([
  ['localhost:8000', 'localhost'],
  ['Walnut.Example', 'walnut.example'],
  ['[::1]:8000', '[::1]'],
  ['127.0.0.1', '127.0.0.1'],
  ['evil.example@localhost', undefined],
  ['localhost:8000:1', undefined],
  ['::1', undefined],
  ['', undefined],
])('the name in "%s" is %s', (header, name) => {
  expect(hostName(header)).toBe(name);
});

test.each([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '[::1]'],
  ['::1', '[::1]'],
  ['[::1]', '[::1]'],
  ['walnut', 'walnut'],
])('what listens on %s is reached at %s', (host, reached) => {
  expect(urlHost(host)).toBe(reached);
});

test('an IPv4 client looks the same on every socket', () => {
  expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('2001:db8::1')).toBe('2001:db8::1');
});
