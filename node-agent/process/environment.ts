/** What of the daemon's environment a tool gets to see: an allow-list, since the rest may hold secrets. */
import { delimiter } from 'node:path';
import type { ToolPolicy } from '../../protocol/agent.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import { presetOf } from '../presets/effective.ts';

const COMMON = [
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'TMPDIR',
  'TZ',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const;
const COMMON_PATTERN = /^(LC_\w+|https?_proxy|no_proxy|all_proxy)$/i;

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

interface ChildEnvironment {
  readonly agent: Pick<CliAgentConfig, 'agent_type' | 'env' | 'pass_env' | 'home'>;
  /** What the tools of the CLI may do. */
  readonly policy: ToolPolicy;
  /** The daemon's own variables. */
  readonly environment: Environment;
  /** Comes first on the child's PATH. */
  readonly node_bin: string;
  /** What the driver itself sets; wins over everything. */
  readonly set?: Readonly<Record<string, string>>;
}

export function childEnvironment({
  agent,
  policy,
  environment,
  node_bin,
  set,
}: ChildEnvironment): Record<string, string> {
  const preset = presetOf(agent);
  const allowed = new Set<string>([...COMMON, ...(preset?.pass_env ?? []), ...agent.pass_env]);
  const home = preset?.home;
  const passed = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (allowed.has(entry[0]) || COMMON_PATTERN.test(entry[0])),
  );
  return {
    ...Object.fromEntries(passed),
    TERM: 'xterm-256color',
    ...preset?.env,
    ...preset?.policy_env?.[policy],
    ...(home?.variable !== undefined && agent.home !== undefined && { [home.variable]: agent.home }),
    ...agent.env,
    PATH: [node_bin, agent.env['PATH'] ?? environment['PATH'] ?? DEFAULT_PATH].join(delimiter),
    ...set,
  };
}
