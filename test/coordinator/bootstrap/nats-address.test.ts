import { expect, test } from 'vitest';
import { checkNatsAddress, isLoopbackAddress } from '../../../coordinator/bootstrap/nats-address.ts';

test.each([
  ['nats://127.0.0.1:4222', true],
  ['localhost', true],
  ['tls://[::1]:4222', true],
  ['nats://10.0.0.2:4222,nats://127.9.9.9:1', true],
  ['nats://0.0.0.0:4222', true],
  ['nats://10.0.0.2:4222', false],
  ['localhost.example.org:4222', false],
  ['nats://[fe80::1]:4222', false],
])('%s means the machine itself: %s', (url, loopback) => {
  expect(isLoopbackAddress(url)).toBe(loopback);
});

test('an address that means the host itself is refused, with what to give instead', () => {
  const check = { url: 'nats://127.0.0.1:4222', host: 'walnut' };
  expect(() => {
    checkNatsAddress({ ...check, same_machine: false });
  }).toThrow(/--nats-url/);
  expect(() => {
    checkNatsAddress({ ...check, url: 'nats://me:secret@10.0.0.2:4222', same_machine: false });
  }).toThrow(/--nats-token-file/);
  checkNatsAddress({ ...check, same_machine: true });
  checkNatsAddress({ ...check, url: 'nats://10.0.0.2:4222', same_machine: false });
});
