/** Asks the user's own SSH configuration about a host, through `ssh -G`. */
import { homedir, userInfo } from 'node:os';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { askSsh, type SshAnswer } from './ask-ssh.ts';
import { type ClientConfig, readConfig } from './client-config.ts';
import { seconds } from './failure.ts';
import { type HostName, parseHostName } from './host-name.ts';
import type { SshClientSettings } from './settings.ts';

/** `Match exec` and `CanonicalizeHostname` in a configuration may take their time. */
const TIMEOUT_MS = 15_000;
const JUMPS_MAX = 8;

export interface ResolveOptions {
  readonly settings: Pick<SshClientSettings, 'config_file' | 'identity_files' | 'known_hosts_files'>;
  readonly environment: Environment;
  readonly signal?: AbortSignal;
}

/**
 * The host and those on the way to it, first hop first.
 *
 * @throws CcliError `ssh_config_unsupported`, `invalid_request`
 */
export async function resolveRoute(name: string, options: ResolveOptions): Promise<readonly ClientConfig[]> {
  const route: ClientConfig[] = [];
  let next: string | undefined = name;
  /** The hosts before the one at hand, where an earlier one has named them. */
  let before: readonly string[] = [];
  while (next !== undefined) {
    const config: ClientConfig = await resolveHost(next, options);
    route.unshift(config);
    if (route.length > JUMPS_MAX)
      throw new CcliError(
        'ssh_config_unsupported',
        `The way to ${name} has more than ${JUMPS_MAX} jump hosts (${route.map(hop => hop.name).join(', ')}); look for a ProxyJump that goes in circles.`,
      );
    const jumps = before.length > 0 ? before : config.jumps;
    next = jumps.at(-1);
    before = jumps.slice(0, -1);
  }
  return route;
}

/** @throws CcliError `ssh_config_unsupported`, `invalid_request` */
export async function resolveHost(name: string, options: ResolveOptions): Promise<ClientConfig> {
  const { settings, environment } = options;
  const parsed = parseHostName(name);
  const text = (await configOf(name, parsed, options)) ?? withoutSsh(parsed);
  return readConfig(text, {
    name,
    home: environment['HOME'] ?? homedir(),
    local_user: userInfo().username,
    variables: environment,
    identity_files: settings.identity_files,
    known_hosts_files: settings.known_hosts_files,
  });
}

/** Undefined where there is no `ssh`. */
async function configOf(
  name: string,
  { user, host, port }: HostName,
  { settings, environment, signal }: ResolveOptions,
): Promise<string | undefined> {
  const argv = [
    '-G',
    ...(settings.config_file === undefined ? [] : ['-F', settings.config_file]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    '--',
    host,
  ];
  const answer = await askSsh(argv, { environment, timeout_ms: TIMEOUT_MS, signal });
  if (answer === undefined || answer.code === 0) return answer?.stdout;
  throw new CcliError(
    'ssh_config_unsupported',
    `ssh cannot make sense of its configuration for ${name}: ${whyOf(answer)}`,
  );
}

function whyOf({ code, stderr }: SshAnswer): string {
  if (code === undefined)
    return `\`ssh -G\` did not end within ${seconds(TIMEOUT_MS)}; look for a \`Match exec\` that hangs.`;
  const said = stderr.trim();
  return said === '' ? '`ssh -G` failed; run it to see more.' : said;
}

/** What OpenSSH would do without any configuration file. */
const withoutSsh = ({ user, host, port }: HostName): string =>
  [
    `hostname ${host}`,
    ...(user === undefined ? [] : [`user ${user}`]),
    ...(port === undefined ? [] : [`port ${String(port)}`]),
    'identityfile ~/.ssh/id_ed25519',
    'identityfile ~/.ssh/id_ecdsa',
    'identityfile ~/.ssh/id_rsa',
    'userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2',
    'globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2',
  ].join('\n');
