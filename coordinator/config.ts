/** The coordinator's configuration: a YAML file, then the environment; all mistakes told at once. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { CcliError } from '../protocol/errors.ts';
import { DurationSchema, SizeSchema } from '../protocol/quantity.ts';
import { DEFAULT_PREFIX, PREFIX_PATTERN } from '../protocol/subjects.ts';

const PathSchema = z
  .string()
  .min(1)
  .transform(path => resolve(path.replace(/^~(?=\/|$)/, homedir())));
const MIB = 1024 * 1024;

const CoordinatorConfigSchema = z.strictObject({
  prefix: z.string().regex(PREFIX_PATTERN).default(DEFAULT_PREFIX),
  nats: z
    .strictObject({
      url: z.string().min(1).default('nats://127.0.0.1:4222'),
      credentials_file: PathSchema.optional(),
      nkey_file: PathSchema.optional(),
      token_file: PathSchema.optional(),
      ca_file: PathSchema.optional(),
      /** The operator's word that the server has `sync_interval: always`, which a client cannot read. */
      sync_always: z
        .union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')])
        .default(false),
    })
    .prefault({}),
  log_level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** How often the plan is made anew when no event asks for it. */
  tick: DurationSchema.default(1_000),
  /** How long after its start a coordinator believes that an agent it has not heard of may still turn up. */
  settle: DurationSchema.default(3_000),
  /** How long a node may take to answer a request before it is sent again. */
  accept_timeout: DurationSchema.default(2_000),
  /** How long a node must have been silent before another attempt may start elsewhere. */
  lost_after: DurationSchema.default(60_000),
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
});
export type CoordinatorConfig = z.infer<typeof CoordinatorConfigSchema>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Environment over file. */
const fromEnvironment = (environment: Environment) => ({
  top: defined({
    prefix: environment['CCLI_PREFIX'],
    log_level: environment['CCLI_LOG_LEVEL'],
  }),
  nats: defined({
    url: environment['CCLI_NATS_URL'],
    credentials_file: environment['CCLI_NATS_CREDENTIALS_FILE'],
    nkey_file: environment['CCLI_NATS_NKEY_FILE'],
    token_file: environment['CCLI_NATS_TOKEN_FILE'],
    ca_file: environment['CCLI_NATS_CA_FILE'],
    sync_always: environment['CCLI_NATS_SYNC_ALWAYS'],
  }),
});

const defined = (record: Record<string, string | undefined>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== ''));

/** @throws CcliError `config_invalid` naming the file and every setting that is wrong. */
export function loadCoordinatorConfig(
  file: string | undefined,
  environment: Environment = process.env,
): CoordinatorConfig {
  const written = file === undefined ? {} : readYaml(file);
  const { top, nats } = fromEnvironment(environment);
  const writtenNats = z.record(z.string(), z.unknown()).catch({}).parse(written['nats']);
  const merged = { ...written, ...top, nats: { ...writtenNats, ...nats } };
  const result = CoordinatorConfigSchema.safeParse(merged);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    issue => `  ${issue.path.map(String).join('.') || '(file)'}: ${issue.message}`,
  );
  throw new CcliError(
    'config_invalid',
    `${file ?? 'The environment'} is not a valid configuration:\n${problems.join('\n')}`,
  );
}

function readYaml(file: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(parse(readFileSync(file, 'utf8')) ?? {});
  } catch (cause) {
    throw new CcliError('config_invalid', `The configuration ${file} cannot be read.`, { cause });
  }
}
