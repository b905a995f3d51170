import { expect, test } from 'vitest';
import { chooseAlgorithms, offerFor } from '../../../coordinator/ssh/algorithms.ts';

const NONE = { kex: undefined, cipher: undefined, mac: undefined, host_key: undefined };

test('without a word of the configuration nothing with SHA-1 signatures is offered', () => {
  expect(chooseAlgorithms('walnut', NONE).host_key).not.toContain('ssh-rsa');
});

test('what the configuration does not allow is not offered', () => {
  const { cipher, host_key } = chooseAlgorithms('walnut', {
    ...NONE,
    cipher: 'chacha20-poly1305@openssh.com,aes256-ctr',
    host_key: 'ssh-ed25519-cert-v01@openssh.com,ssh-rsa,ssh-ed25519',
  });
  expect(cipher).toEqual(['aes256-ctr', 'chacha20-poly1305@openssh.com']);
  expect(host_key).toEqual(['ssh-ed25519', 'ssh-rsa']);
});

test('keys that are known are asked for first', () => {
  const algorithms = chooseAlgorithms('walnut', NONE);
  expect(offerFor(algorithms, ['ssh-rsa', 'ecdsa-sha2-nistp256']).serverHostKey).toEqual([
    'ecdsa-sha2-nistp256',
    'rsa-sha2-512',
    'rsa-sha2-256',
    'ssh-ed25519',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
  ]);
});
