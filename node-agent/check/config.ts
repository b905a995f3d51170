/** Whether the configuration is one, and its secrets are. */
import { stat } from 'node:fs/promises';
import type { Check } from '../../protocol/daemon/checks.ts';
import { ok, type Verdict, warn } from '../../protocol/finding.ts';
import { loadNodeConfig, type NodeConfig } from '../config.ts';
import type { CheckContext } from './context.ts';

export const configCheck: Check<CheckContext> = {
  id: 'config',
  title: 'the configuration',
  limit_ms: 5_000,
  async run(context) {
    const { config_file } = context;
    const config = loadNodeConfig(config_file);
    context.config = config;
    const exposed = await exposedFiles(config);
    if (exposed.length > 0) return exposed;
    if (config_file === undefined) {
      return [
        warn(
          `There is no configuration: this node would be ${config.node}, with ${agents(config)}.`,
          'Write ~/.config/ccli/node-agent.yaml, or let `ccli bootstrap` do it.',
        ),
      ];
    }
    return [ok(`${config_file} is valid: node ${config.node}, ${agents(config)}.`)];
  },
};

const agents = (config: NodeConfig): string =>
  config.agents.length === 1 ? '1 agent' : `${config.agents.length} agents`;

/** What a daemon reads as its own, and others on the host can read as well. */
async function exposedFiles({ nats }: NodeConfig): Promise<Verdict[]> {
  const files = [nats.credentials_file, nats.nkey_file, nats.token_file];
  const found = await Promise.all(
    files.map(async file => {
      if (file === undefined) return [];
      const there = await stat(file).catch(() => undefined);
      // One that is not there shows when NATS is asked.
      if (there === undefined || (there.mode & 0o007) === 0) return [];
      return [warn(`Everybody on this host can read ${file}.`, `Run \`chmod 600 ${file}\`.`)];
    }),
  );
  return found.flat();
}
