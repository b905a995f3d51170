/** How the gemini of a host is run there without a node-agent: by the Node that its own would get. */
import { preflight } from '../bootstrap/preflight.ts';
import type { SshHost } from '../ssh/ssh.ts';
import type { HostCli } from './host.ts';

/**
 * The key comes from where `ccli bootstrap` puts it, unless the host has one of its own: read there, so that it shows in
 * no command line. Without NO_RELAUNCH gemini starts itself a second time; an untrusted directory stops it. What it leaves
 * in its working and temporary directory, after an error above all, goes with it.
 */
const START = `
key="$HOME/.config/ccli/credentials/gemini-api-key"
if [ -z "\${GEMINI_API_KEY:-}" ] && [ -r "$key" ]; then
  GEMINI_API_KEY=$(cat "$key")
  export GEMINI_API_KEY
fi
GEMINI_CLI_NO_RELAUNCH=true GEMINI_CLI_TRUST_WORKSPACE=true TERM=xterm-256color
export GEMINI_CLI_NO_RELAUNCH GEMINI_CLI_TRUST_WORKSPACE TERM
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
trap 'exit 143' TERM HUP INT
cd "$place" && TMPDIR=$place "$@"
`;

/** Undefined where the host has no gemini, or no Node that runs it. @throws CcliError as `preflight` does */
export async function findHostCli(host: SshHost, signal: AbortSignal): Promise<HostCli | undefined> {
  const { node, gemini } = await preflight(host, {}, signal);
  if (node === undefined || gemini === undefined) return undefined;
  return {
    argv: ['sh', '-c', START, 'sh', node.path, gemini.path, '--output-format', 'json'],
    versions: {
      'node.js': node.version,
      ...(gemini.version !== undefined && { cli: gemini.version }),
    },
  };
}
