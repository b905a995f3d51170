/** Checks the key of a host against the known_hosts files of its configuration, and says what to do when it fails. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CcliError } from '../../protocol/errors.ts';
import { type ClientConfig, knownHostsNames } from './client-config.ts';
import { codeOf } from './failure.ts';
import { judgeHostKey, knownTypes } from './judge-host-key.ts';
import { type KnownHost, parseKnownHosts } from './known-hosts.ts';
import { quote } from './quote.ts';

export interface HostKeyCheck {
  /** For these, the host has a key that is known. */
  readonly types: readonly string[];
  /** @throws CcliError `ssh_host_key_unknown`, `ssh_host_key_changed`, `ssh_host_key_revoked`, `ssh_config_unsupported` */
  check(key: Buffer): void;
}

/** @throws CcliError `ssh_config_unsupported` when a known_hosts file is there and cannot be read */
export async function hostKeyCheck(config: ClientConfig): Promise<HostKeyCheck> {
  const read = await Promise.all(config.known_hosts_files.map(file => readKnownHosts(file, config.name)));
  const entries = read.flat();
  const names = knownHostsNames(config);
  return {
    types: knownTypes(entries, names),
    check(bytes) {
      const key = { type: keyType(bytes), key: bytes.toString('base64') };
      const verdict = judgeHostKey(entries, names, key);
      switch (verdict.kind) {
        case 'known':
          return;
        case 'unknown':
          throw unknownKey(config, bytes);
        case 'changed':
          throw changedKey(config, bytes, verdict.known);
        case 'revoked':
          throw new CcliError(
            'ssh_host_key_revoked',
            `${config.name} shows the key ${fingerprint(bytes)}, which ${placeOf(verdict.by)} marks as revoked; give the host a new key.`,
          );
        case 'authority':
          throw new CcliError(
            'ssh_config_unsupported',
            `For ${config.name}, ${placeOf(verdict.by)} trusts a certificate authority, and ccli checks no certificates; ${adding(config, bytes)}`,
          );
      }
    },
  };
}

export const keyType = (key: Buffer): string =>
  key.length < 4 ? '' : key.toString('latin1', 4, 4 + key.readUInt32BE(0));

/** As `ssh-keygen -l` prints it. */
export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

const placeOf = ({ file, line }: KnownHost): string => `${file}:${String(line)}`;

function unknownKey(config: ClientConfig, key: Buffer): CcliError {
  const lax = config.lax_host_keys
    ? ' (StrictHostKeyChecking of your configuration is not obeyed: ccli never takes an unknown key.)'
    : '';
  return new CcliError(
    'ssh_host_key_unknown',
    `${config.name} shows the ${keyType(key)} key ${fingerprint(key)}, which is in none of ${config.known_hosts_files.join(', ') || 'your known_hosts files'}; ${adding(config, key)}${lax}`,
  );
}

function changedKey(
  config: ClientConfig,
  key: Buffer,
  known: readonly [KnownHost, ...KnownHost[]],
): CcliError {
  const [name = config.name] = knownHostsNames(config);
  const had = known
    .map(entry => `${entry.type} ${fingerprint(Buffer.from(entry.key, 'base64'))} (${placeOf(entry)})`)
    .join(', ');
  const removing = [...new Set(known.map(entry => entry.file))]
    .map(file => `ssh-keygen -R ${quote(name)} -f ${quote(file)}`)
    .join(' && ');
  return new CcliError(
    'ssh_host_key_changed',
    `${config.name} shows the ${keyType(key)} key ${fingerprint(key)}, but known is ${had}. Either the host was set up anew, or somebody stands in between. ` +
      `Only when you are sure of the first: ${removing}; then ${adding(config, key)}`,
  );
}

/** The key as it was seen, so that nothing else can slip in between the look and the command. */
function adding(config: ClientConfig, key: Buffer): string {
  const [name = config.name] = knownHostsNames(config);
  const [file = '~/.ssh/known_hosts'] = config.known_hosts_files.filter(path => path !== '/dev/null');
  const type = keyType(key);
  const on_host = `/etc/ssh/ssh_host_${FILES[type] ?? 'ed25519'}_key.pub`;
  return (
    `compare it with \`ssh-keygen -lf ${on_host}\` on the host, and when they are the same, run: ` +
    `echo ${quote(`${name} ${type} ${key.toString('base64')}`)} >> ${quote(file)}`
  );
}

const FILES: Readonly<Record<string, string>> = {
  'ssh-ed25519': 'ed25519',
  'ssh-rsa': 'rsa',
  'ecdsa-sha2-nistp256': 'ecdsa',
  'ecdsa-sha2-nistp384': 'ecdsa',
  'ecdsa-sha2-nistp521': 'ecdsa',
};

async function readKnownHosts(file: string, host: string): Promise<readonly KnownHost[]> {
  try {
    return parseKnownHosts(await readFile(file, 'utf8'), file);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new CcliError(
      'ssh_config_unsupported',
      `${file}, where the key of ${host} may be known, cannot be read (${code ?? 'unknown'}); mend its permissions.`,
      { cause },
    );
  }
}
