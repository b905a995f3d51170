/** The coordinator's configuration: a YAML file, then the environment; all mistakes told at once. */
import { z } from 'zod';
import { NameSchema } from '../protocol/agent.ts';
import {
  DAEMON_VARIABLES,
  daemonShape,
  type Environment,
  loadSettings,
  NATS_VARIABLES,
  natsShape,
} from '../protocol/daemon/settings.ts';
import { DurationSchema, PeriodSchema, SizeSchema } from '../protocol/quantity.ts';
import { HTTP_VARIABLES, HttpSettingsSchema } from './http/settings.ts';
import { SshSettingsSchema } from './ssh/settings.ts';

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

const CoordinatorConfigSchema = z.strictObject({
  ...daemonShape,
  nats: z
    .strictObject({
      ...natsShape,
      /** The operator's word that the server has `sync_interval: always`, which a client cannot read. */
      sync_always: z
        .union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')])
        .default(false),
    })
    .prefault({}),
  /** How often the plan is made anew when no event asks for it. */
  tick: DurationSchema.default(1_000),
  /** How long after its start a coordinator believes that an agent it has not heard of may still turn up. */
  settle: DurationSchema.default(3_000),
  /** How long a node may take to answer a request before it is sent again. */
  accept_timeout: DurationSchema.default(2_000),
  /** How long a leader may go without renewing its lease. Another coordinator takes over within twice as long. */
  lease: DurationSchema.refine(ms => ms >= 200, 'at least 200ms').default(5_000),
  /** How long a node must have been silent before another attempt may start elsewhere. */
  lost_after: DurationSchema.default(60_000),
  /** Whether an agent that a node advertises and nobody has registered may take work. */
  discovered: z.enum(['allow', 'deny']).default('deny'),
  /**
   * Fallback chains for tasks that bring none, by the agent or type asked for; `default` is for those that ask for
   * neither.
   */
  fallback: z.record(NameSchema, z.array(NameSchema).min(1).max(8)).default({}),
  /** Bounds of the stores; together they must fit the server's JetStream limits. The defaults fit 1 GiB. */
  store: z
    .strictObject({
      tasks: SizeSchema.default(256 * MIB),
      blobs: SizeSchema.default(512 * MIB),
      reports: SizeSchema.default(128 * MIB),
      events: SizeSchema.default(32 * MIB),
      /** In memory. */
      output: SizeSchema.default(64 * MIB),
    })
    .prefault({}),
  http: HttpSettingsSchema.prefault({}),
  ssh: SshSettingsSchema.prefault({}),
  /** How much is kept of tasks that have ended; when a store fills up, the oldest go earlier. */
  history: z
    .strictObject({
      max_age: PeriodSchema.default(7 * DAY_MS),
      max_tasks: z.int().positive().default(10_000),
      /** Only `max_age` removes what ended more recently than this. */
      min_age: PeriodSchema.default(3_600_000),
    })
    .prefault({}),
});
export type CoordinatorConfig = z.infer<typeof CoordinatorConfigSchema>;

/** @throws CcliError `config_invalid` naming the file and every setting that is wrong. */
export const loadCoordinatorConfig = (
  file: string | undefined,
  environment: Environment = process.env,
): CoordinatorConfig =>
  loadSettings(CoordinatorConfigSchema, file, environment, {
    top: { ...DAEMON_VARIABLES, discovered: 'CCLI_DISCOVERED' },
    sections: {
      nats: { ...NATS_VARIABLES, sync_always: 'CCLI_NATS_SYNC_ALWAYS' },
      http: HTTP_VARIABLES,
    },
  });

/** What its SSH reads: where the agent of keys is, and the home with the user's own configuration. */
export const daemonEnvironment = (): Environment => process.env;
