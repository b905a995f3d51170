/** What of the daemon's environment a tool gets to see: an allow-list, since the rest may hold secrets. */
import { delimiter } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { AgentConfig } from '../config.ts';

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

const GEMINI = [
  'GEMINI_API_KEY',
  'GOOGLE_API_KEY',
  'GOOGLE_GEMINI_BASE_URL',
  'GOOGLE_VERTEX_BASE_URL',
  'GOOGLE_CLOUD_PROJECT',
  'GOOGLE_CLOUD_LOCATION',
  'GOOGLE_GENAI_USE_VERTEXAI',
  'GOOGLE_APPLICATION_CREDENTIALS',
] as const;

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

interface ChildEnvironment {
  readonly agent: Pick<AgentConfig, 'agent_type' | 'env' | 'pass_env'>;
  /** The daemon's own variables. */
  readonly environment: Environment;
  /** Comes first on the child's PATH. */
  readonly node_bin: string;
  /** What the driver itself sets; wins over everything. */
  readonly set?: Readonly<Record<string, string>>;
}

export function childEnvironment({
  agent,
  environment,
  node_bin,
  set,
}: ChildEnvironment): Record<string, string> {
  const allowed = new Set<string>([
    ...COMMON,
    ...(agent.agent_type === 'cli_gemini' ? GEMINI : []),
    ...agent.pass_env,
  ]);
  const passed = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (allowed.has(entry[0]) || COMMON_PATTERN.test(entry[0])),
  );
  return {
    ...Object.fromEntries(passed),
    TERM: 'xterm-256color',
    ...agent.env,
    PATH: [node_bin, agent.env['PATH'] ?? environment['PATH'] ?? DEFAULT_PATH].join(delimiter),
    ...set,
  };
}
