/**
 * The node-agent's configuration: one YAML file, then the environment, everything checked before anything starts and
 * all mistakes told at once. The only place of the node-agent that reads the environment.
 */
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { EndpointSchema, NameSchema } from '../protocol/agent.ts';
import {
  DAEMON_VARIABLES,
  daemonShape,
  type Environment,
  loadSettings,
  NATS_VARIABLES,
  natsShape,
  PathSchema,
} from '../protocol/daemon/settings.ts';
import { ADVERT_INTERVAL_MS, DEFAULT_MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES } from '../protocol/limits.ts';
import { DurationSchema, SizeSchema } from '../protocol/quantity.ts';
import { AgentConfigSchema } from './agent-config/agent.ts';

/** Of a list that may not have been found valid. */
function hasDistinctIds(agents: unknown): boolean {
  const found = z.array(z.object({ id: z.string() })).safeParse(agents);
  return !found.success || new Set(found.data.map(agent => agent.id)).size === found.data.length;
}

const NodeConfigSchema = z.strictObject({
  node: NameSchema.default(() => defaultNodeName()),
  ...daemonShape,
  nats: z.strictObject(natsShape).prefault({}),
  /** Journal, outbox, homes and working directories live here. */
  state_dir: PathSchema.default(() => join(homedir(), '.local', 'state', 'ccli', 'node-agent')),
  nvm_dir: PathSchema.optional(),
  advert_interval: DurationSchema.default(ADVERT_INTERVAL_MS),
  max_output: SizeSchema.refine(bytes => bytes <= MAX_OUTPUT_BYTES, 'at most 64MiB').default(
    DEFAULT_MAX_OUTPUT_BYTES,
  ),
  /** How long a stopping daemon lets running tasks finish. */
  drain_timeout: DurationSchema.default(30_000),
  /** What a registration may add to this file without anybody touching it. */
  permit: z
    .strictObject({
      ollama: z
        .strictObject({
          /** Servers on which it may define agents, one a model. */
          endpoints: z.array(EndpointSchema).max(100).default([]),
          /** The most slots that one such agent may have. */
          max_concurrent: z.int().min(1).max(256).default(4),
        })
        .prefault({}),
    })
    .prefault({}),
  agents: z
    .array(AgentConfigSchema)
    .default([])
    .refine(hasDistinctIds, {
      message: 'two agents have the same id',
      // Told together with whatever else is wrong.
      when: () => true,
    }),
});
export type NodeConfig = z.infer<typeof NodeConfigSchema> & {
  /** The daemon's own variables, from which tools get an allow-listed part. */
  readonly environment: Environment;
};

const defaultNodeName = (): string =>
  (hostname().split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63) || 'node';

/** @throws CcliError `config_invalid` naming the file and every setting that is wrong. */
export function loadNodeConfig(file: string | undefined, environment: Environment = process.env): NodeConfig {
  const settings = loadSettings(NodeConfigSchema, file, environment, {
    top: { ...DAEMON_VARIABLES, node: 'CCLI_NODE', state_dir: 'CCLI_STATE_DIR' },
    sections: { nats: NATS_VARIABLES },
  });
  // nvm sets NVM_DIR for whoever happens to be logged in: what the file says is meant for this daemon.
  const nvm_dir = settings.nvm_dir ?? environment['NVM_DIR'];
  return { ...settings, ...(nvm_dir !== undefined && nvm_dir !== '' && { nvm_dir }), environment };
}
