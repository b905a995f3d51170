/** What is run on the host of a node for a line to it. */
import type { SshSettings } from '../ssh/settings.ts';
import type { RemoteCommand } from '../ssh/ssh.ts';

type Host = SshSettings['hosts'][string];

/** Where `ccli bootstrap` puts it. The home is the host's own: only a shell there knows it. */
const DEFAULT: readonly string[] = ['sh', '-c', 'exec "$HOME/.local/bin/ccli" node-agent exec --stdio'];

export const lineCommand = ({ command = [...DEFAULT] }: Pick<Host, 'command'>): RemoteCommand => ({
  argv: command,
});
