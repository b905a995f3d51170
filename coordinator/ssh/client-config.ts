/** What `ssh -G` says about a host, as far as it concerns us; what we cannot do is refused by name. */
import { isIP } from 'node:net';
import { basename, isAbsolute, join } from 'node:path';
import { CcliError } from '../../protocol/errors.ts';
import { type Algorithms, chooseAlgorithms } from './algorithms.ts';

export interface ClientConfig {
  /** As it was asked for. */
  readonly name: string;
  readonly user: string;
  readonly hostname: string;
  readonly port: number;
  readonly host_key_alias: string | undefined;
  /** In the order they are to be tried. */
  readonly identity_files: readonly IdentityFile[];
  readonly identities_only: boolean;
  /** The socket of an SSH agent. */
  readonly agent: string | undefined;
  /** Those of the user first. */
  readonly known_hosts_files: readonly string[];
  /** As the configuration has them: the last one is connected to this host. */
  readonly jumps: readonly string[];
  readonly family: 0 | 4 | 6;
  readonly bind_address: string | undefined;
  readonly connect_timeout_ms: number | undefined;
  readonly algorithms: Algorithms;
  /** The configuration would take unknown host keys. */
  readonly lax_host_keys: boolean;
}

export interface IdentityFile {
  readonly path: string;
  /** Nobody asked for it by name, so nobody needs to hear that it is not there. */
  readonly by_default: boolean;
}

export interface ConfigContext {
  readonly name: string;
  readonly home: string;
  readonly local_user: string;
  /** SSH_AUTH_SOCK, and what `${NAME}` in the configuration stands for. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Those given to ccli: before those of the configuration. */
  readonly identity_files: readonly string[];
  readonly known_hosts_files: readonly string[] | undefined;
}

const DEFAULT_KEYS = ['rsa', 'ecdsa', 'ecdsa_sk', 'ed25519', 'ed25519_sk', 'xmss', 'dsa'].map(
  type => `id_${type}`,
);

type Options = ReadonlyMap<string, readonly string[]>;

/** Lines of `ssh -G`: an option in lower case, and its value. */
export function parseOptions(text: string): Options {
  const options = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, option, value] = /^(\S+)\s+(.*\S)\s*$/.exec(line) ?? [];
    if (option === undefined || value === undefined) continue;
    const key = option.toLowerCase();
    options.set(key, [...(options.get(key) ?? []), value]);
  }
  return options;
}

/** @throws CcliError `ssh_config_unsupported` */
export function readConfig(text: string, context: ConfigContext): ClientConfig {
  const options = parseOptions(text);
  const one = (option: string): string | undefined => options.get(option)?.[0];
  const set = (option: string): string | undefined => {
    const value = one(option);
    return value === undefined || value.toLowerCase() === 'none' ? undefined : value;
  };
  refuseUnsupported(context.name, set);
  const hostname = one('hostname') ?? context.name;
  const port = Number(one('port') ?? 22);
  const user = one('user') ?? context.local_user;
  const expand = (path: string): string => expandPath(path, { ...context, hostname, port, user });
  const seconds = Number(set('connecttimeout'));
  const listed = (options.get('identityfile') ?? [])
    .filter(path => path.toLowerCase() !== 'none')
    .map(path => ({ path: expand(path), by_default: isDefaultKey(path) }));
  const given = context.identity_files.map(path => ({ path, by_default: false }));
  return {
    name: context.name,
    user,
    hostname,
    port,
    host_key_alias: set('hostkeyalias'),
    identity_files: [...given, ...listed.filter(({ path }) => !context.identity_files.includes(path))],
    identities_only: isYes(one('identitiesonly')),
    agent: agentOf(one('identityagent'), context.variables, expand),
    known_hosts_files: context.known_hosts_files ?? [
      ...filesOf(set('userknownhostsfile'), expand),
      ...filesOf(set('globalknownhostsfile'), expand),
    ],
    jumps: set('proxyjump')?.split(',') ?? [],
    family: FAMILIES[one('addressfamily') ?? ''] ?? 0,
    bind_address: set('bindaddress'),
    connect_timeout_ms: Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined,
    algorithms: chooseAlgorithms(context.name, {
      kex: one('kexalgorithms'),
      cipher: one('ciphers'),
      mac: one('macs'),
      host_key: one('hostkeyalgorithms'),
    }),
    lax_host_keys: /^(no|off|false|accept-new)$/i.test(one('stricthostkeychecking') ?? ''),
  };
}

const FAMILIES: Readonly<Record<string, 4 | 6>> = { inet: 4, inet6: 6 };
const isYes = (value: string | undefined): boolean => /^(yes|true)$/i.test(value ?? '');
const isNo = (value: string | undefined): boolean => /^(no|false)$/i.test(value ?? '');
const isDefaultKey = (path: string): boolean =>
  path.startsWith('~/.ssh/') && DEFAULT_KEYS.includes(basename(path));
const filesOf = (value: string | undefined, expand: (path: string) => string): string[] =>
  value === undefined ? [] : value.split(/\s+/).map(expand);

function refuseUnsupported(name: string, set: (option: string) => string | undefined): void {
  const refuse = (option: string, advice: string): never => {
    throw new CcliError(
      'ssh_config_unsupported',
      `The SSH configuration of ${name} sets ${option}, which ccli does not do; ${advice}.`,
    );
  };
  if (set('proxycommand') !== undefined)
    refuse('ProxyCommand', 'use ProxyJump for it, or name an address that can be reached directly');
  if (set('certificatefile') !== undefined)
    refuse('CertificateFile', 'put the plain key into authorized_keys of the host');
  if (set('knownhostscommand') !== undefined)
    refuse('KnownHostsCommand', 'put the key of the host into a known_hosts file');
  if (set('revokedhostkeys') !== undefined)
    refuse('RevokedHostKeys', 'mark the keys as @revoked in a known_hosts file');
  if (set('pkcs11provider') !== undefined)
    refuse('PKCS11Provider', 'load the key into an SSH agent with `ssh-add -s`');
  if (set('bindinterface') !== undefined) refuse('BindInterface', 'use BindAddress');
  if (isNo(set('pubkeyauthentication'))) refuse('PubkeyAuthentication no', 'ccli signs in with keys alone');
  const preferred = set('preferredauthentications');
  if (preferred !== undefined && !preferred.split(',').includes('publickey'))
    refuse(`PreferredAuthentications ${preferred}`, 'ccli signs in with keys alone');
}

function agentOf(
  option: string | undefined,
  variables: ConfigContext['variables'],
  expand: (path: string) => string,
): string | undefined {
  if (option?.toLowerCase() === 'none') return undefined;
  const socket =
    option === undefined || option === 'SSH_AUTH_SOCK'
      ? variables['SSH_AUTH_SOCK']
      : /^\$\w+$/.test(option)
        ? variables[option.slice(1)]
        : expand(option);
  return socket === '' ? undefined : socket;
}

interface Names extends Pick<ConfigContext, 'name' | 'home' | 'local_user' | 'variables'> {
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
}

/** `~`, `${NAME}` and the tokens of ssh_config(5) that make sense in a path. */
function expandPath(path: string, names: Names): string {
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: names.home,
    h: names.hostname,
    n: names.name,
    p: String(names.port),
    r: names.user,
    u: names.local_user,
  };
  const expanded = path
    .replace(/^~(?=\/|$)/, names.home)
    .replace(/\$\{(\w+)\}/g, (whole, name: string) => names.variables[name] ?? whole)
    .replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole);
  return isAbsolute(expanded) ? expanded : join(names.home, expanded);
}

/** `host` or `[host]:port`, as known_hosts writes it. */
export const knownHostsNames = (config: ClientConfig): readonly string[] => {
  if (config.host_key_alias !== undefined) return [config.host_key_alias.toLowerCase()];
  const host = config.hostname.toLowerCase();
  return config.port === 22 ? [host] : [`[${host}]:${String(config.port)}`, host];
};

export const addressOf = ({ hostname, port }: ClientConfig): string =>
  isIP(hostname) === 6 ? `[${hostname}]:${String(port)}` : `${hostname}:${String(port)}`;
