import { describe, expect, test } from 'vitest';
import {
  addressOf,
  type ClientConfig,
  type ConfigContext,
  knownHostsNames,
  parseOptions,
  readConfig,
} from '../../../coordinator/ssh/client-config.ts';

const CONTEXT: ConfigContext = {
  name: 'walnut',
  home: '/home/ann',
  local_user: 'ann',
  variables: { SSH_AUTH_SOCK: '/run/agent', KEYS: '/keys' },
  identity_files: [],
  known_hosts_files: undefined,
};

const read = (lines: readonly string[], context: Partial<ConfigContext> = {}): ClientConfig =>
  readConfig(lines.join('\n'), { ...CONTEXT, ...context });

test('an option may come several times, and its value may have spaces', () => {
  expect(parseOptions('identityfile /a b\nidentityfile /c\nport 22\nbroken\n')).toEqual(
    new Map([
      ['identityfile', ['/a b', '/c']],
      ['port', ['22']],
    ]),
  );
});

test('what is not said is as OpenSSH has it', () => {
  expect(read([])).toMatchObject({
    user: 'ann',
    hostname: 'walnut',
    port: 22,
    jumps: [],
    agent: '/run/agent',
    identities_only: false,
    family: 0,
    connect_timeout_ms: undefined,
    lax_host_keys: false,
  });
});

test('what is said is obeyed', () => {
  const config = read([
    'user bob',
    'hostname 192.0.2.7',
    'port 2222',
    'hostkeyalias Nut',
    'identitiesonly yes',
    'addressfamily inet6',
    'bindaddress 192.0.2.1',
    'connecttimeout 7',
    'proxyjump gate,ann@inner:2222',
    'stricthostkeychecking accept-new',
  ]);
  expect(config).toMatchObject({
    user: 'bob',
    hostname: '192.0.2.7',
    port: 2222,
    host_key_alias: 'Nut',
    identities_only: true,
    family: 6,
    bind_address: '192.0.2.1',
    connect_timeout_ms: 7_000,
    jumps: ['gate', 'ann@inner:2222'],
    lax_host_keys: true,
  });
});

describe('key files', () => {
  test('are found at home, by variables and by tokens', () => {
    const { identity_files } = read([
      'hostname nut.example',
      'user bob',
      'identityfile ~/.ssh/id_ed25519',
      'identityfile ${KEYS}/one',
      'identityfile %d/%u-%r-%h-%n-%p-%%',
      'identityfile relative',
      'identityfile none',
    ]);
    expect(identity_files).toEqual([
      { path: '/home/ann/.ssh/id_ed25519', by_default: true },
      { path: '/keys/one', by_default: false },
      { path: '/home/ann/ann-bob-nut.example-walnut-22-%', by_default: false },
      { path: '/home/ann/relative', by_default: false },
    ]);
  });

  test('given to ccli come first, and once', () => {
    const { identity_files } = read(['identityfile /a', 'identityfile /b'], { identity_files: ['/b'] });
    expect(identity_files.map(({ path }) => path)).toEqual(['/b', '/a']);
  });
});

test.each([
  ['SSH_AUTH_SOCK', '/run/agent'],
  ['none', undefined],
  ['$KEYS', '/keys'],
  ['~/agent', '/home/ann/agent'],
])('IdentityAgent %s', (value, agent) => {
  expect(read([`identityagent ${value}`]).agent).toBe(agent);
});

test('known hosts are looked up in the files of the user, then in those of the system', () => {
  const lines = ['globalknownhostsfile /etc/a', 'userknownhostsfile ~/.ssh/b /c'];
  expect(read(lines).known_hosts_files).toEqual(['/home/ann/.ssh/b', '/c', '/etc/a']);
  expect(read(lines, { known_hosts_files: ['/mine'] }).known_hosts_files).toEqual(['/mine']);
});

test.each([
  ['proxycommand nc %h %p', 'ProxyCommand'],
  ['certificatefile ~/.ssh/id-cert.pub', 'CertificateFile'],
  ['knownhostscommand /bin/keys', 'KnownHostsCommand'],
  ['revokedhostkeys /etc/revoked', 'RevokedHostKeys'],
  ['pkcs11provider /lib/x.so', 'PKCS11Provider'],
  ['bindinterface eth0', 'BindInterface'],
  ['pubkeyauthentication false', 'PubkeyAuthentication'],
  ['preferredauthentications password', 'PreferredAuthentications'],
  ['kexalgorithms sntrup761x25519-sha512@openssh.com', 'KexAlgorithms'],
  ['hostkeyalgorithms sk-ssh-ed25519@openssh.com', 'HostKeyAlgorithms'],
])('%s is refused by name', (line, option) => {
  expect(() => read([line])).toThrow(
    expect.objectContaining({
      code: 'ssh_config_unsupported',
      message: expect.stringContaining(option) as string,
    }),
  );
});

test.each(['proxycommand none', 'certificatefile none', 'pubkeyauthentication true', 'proxyjump none'])(
  '%s is nothing to refuse',
  line => {
    expect(read([line]).jumps).toEqual([]);
  },
);

test.each([
  [[], ['walnut']],
  [['hostname Nut.Example'], ['nut.example']],
  [
    ['hostname nut', 'port 2222'],
    ['[nut]:2222', 'nut'],
  ],
  [['hostname nut', 'port 2222', 'hostkeyalias Alias'], ['alias']],
])('%j is known as %j', (lines, names) => {
  expect(knownHostsNames(read(lines))).toEqual(names);
});

test('an IPv6 address is told apart from its port', () => {
  expect(addressOf(read(['hostname ::1', 'port 2222']))).toBe('[::1]:2222');
});
