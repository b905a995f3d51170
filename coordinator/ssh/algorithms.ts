/** Which algorithms are offered: what both the client configuration and our SSH library know. */
import type {
  CipherAlgorithm,
  KexAlgorithm,
  MacAlgorithm,
  Algorithms as Offer,
  ServerHostKeyAlgorithm,
} from 'ssh2';
import { CcliError } from '../../protocol/errors.ts';

export interface Algorithms {
  readonly kex: readonly KexAlgorithm[];
  readonly cipher: readonly CipherAlgorithm[];
  readonly mac: readonly MacAlgorithm[];
  readonly host_key: readonly ServerHostKeyAlgorithm[];
}

/** Best first; those at the end are used only where the configuration names them. */
const KEX: readonly KexAlgorithm[] = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group-exchange-sha256',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
];
const OLD_KEX: readonly KexAlgorithm[] = [
  'diffie-hellman-group14-sha1',
  'diffie-hellman-group-exchange-sha1',
];
/** Those that the machine has instructions for come first. */
const CIPHERS: readonly CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
  'chacha20-poly1305@openssh.com',
];
const OLD_CIPHERS: readonly CipherAlgorithm[] = ['aes256-cbc', 'aes192-cbc', 'aes128-cbc'];
const MACS: readonly MacAlgorithm[] = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
  'hmac-sha1-etm@openssh.com',
  'hmac-sha1',
];
const HOST_KEYS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];
const OLD_HOST_KEYS: readonly ServerHostKeyAlgorithm[] = ['ssh-rsa'];

type Lists = Readonly<Record<keyof Algorithms, string | undefined>>;

const OPTIONS: Readonly<Record<keyof Algorithms, string>> = {
  kex: 'KexAlgorithms',
  cipher: 'Ciphers',
  mac: 'MACs',
  host_key: 'HostKeyAlgorithms',
};

/** @throws CcliError `ssh_config_unsupported` when the configuration allows nothing that we know */
export function chooseAlgorithms(host: string, lists: Lists): Algorithms {
  const choose = <T extends string>(
    kind: keyof Algorithms,
    usual: readonly T[],
    old: readonly T[],
  ): readonly T[] => {
    const listed = lists[kind]?.split(',');
    if (listed === undefined) return usual;
    const chosen = [...usual, ...old].filter(algorithm => listed.includes(algorithm));
    if (chosen.length > 0) return chosen;
    throw new CcliError(
      'ssh_config_unsupported',
      `The SSH configuration of ${host} allows only ${OPTIONS[kind]} that ccli does not know; add one of ${usual.join(', ')}.`,
    );
  };
  return {
    kex: choose('kex', KEX, OLD_KEX),
    cipher: choose('cipher', CIPHERS, OLD_CIPHERS),
    mac: choose('mac', MACS, []),
    host_key: choose('host_key', HOST_KEYS, OLD_HOST_KEYS),
  };
}

const RSA: readonly ServerHostKeyAlgorithm[] = ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'];

/**
 * What is offered to a host. Algorithms of keys that are known come first, so that a host with several keys shows one that
 * can be checked.
 */
export function offerFor(algorithms: Algorithms, known_types: readonly string[]): Offer {
  const isKnown = (algorithm: ServerHostKeyAlgorithm): boolean =>
    known_types.includes(RSA.includes(algorithm) ? 'ssh-rsa' : algorithm);
  const { kex, cipher, mac, host_key } = algorithms;
  return {
    kex: [...kex],
    cipher: [...cipher],
    hmac: [...mac],
    serverHostKey: [...host_key.filter(isKnown), ...host_key.filter(algorithm => !isKnown(algorithm))],
  };
}
