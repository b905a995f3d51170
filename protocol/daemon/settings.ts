/** Settings from a YAML file and the environment: what both daemons and the command have in common. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { CcliError } from '../errors.ts';
import { DEFAULT_PREFIX, PREFIX_PATTERN } from '../subjects.ts';
import { placeCredentials } from './credential.ts';

/** Variables, as they are passed in; a variable set to nothing counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const pathSchema = (home: string) =>
  z
    .string()
    .min(1)
    .transform(path => resolve(path.replace(/^~(?=\/|$)/, home)));
export const PathSchema = pathSchema(homedir());

export const PrefixSchema = z
  .string()
  .regex(PREFIX_PATTERN, 'lower-case letters, digits and "_", at most 31, a letter first');

/** Credentials are files, never values; `credential:NAME` stands for one as well, see `credential.ts`. */
export const natsFiles = (path: ReturnType<typeof pathSchema> = PathSchema) => ({
  credentials_file: path.optional(),
  nkey_file: path.optional(),
  token_file: path.optional(),
  ca_file: path.optional(),
});

export const natsShape = { url: z.string().min(1).default('nats://127.0.0.1:4222'), ...natsFiles() };

/** What every daemon can be told. */
export const daemonShape = {
  prefix: PrefixSchema.default(DEFAULT_PREFIX),
  log_level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
};

/** Which variable stands for which setting: those at the top of the file, and those of its sections. */
export interface Variables {
  readonly top: Readonly<Record<string, string>>;
  readonly sections: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export const NATS_VARIABLES = {
  url: 'CCLI_NATS_URL',
  credentials_file: 'CCLI_NATS_CREDENTIALS_FILE',
  nkey_file: 'CCLI_NATS_NKEY_FILE',
  token_file: 'CCLI_NATS_TOKEN_FILE',
  ca_file: 'CCLI_NATS_CA_FILE',
} as const;

export const DAEMON_VARIABLES = { prefix: 'CCLI_PREFIX', log_level: 'CCLI_LOG_LEVEL' } as const;

/**
 * Environment over file: what differs between hosts with one shared file.
 *
 * @throws CcliError `config_invalid` naming the file and every setting that is wrong.
 */
export function loadSettings<T>(
  schema: z.ZodType<T>,
  file: string | undefined,
  environment: Environment,
  variables: Variables,
): T {
  const written = file === undefined ? {} : readSettings(file);
  const merged: Record<string, unknown> = { ...written, ...valuesOf(environment, variables.top) };
  for (const [name, names] of Object.entries(variables.sections)) {
    const section = written[name] ?? {};
    if (isRecord(section)) merged[name] = { ...section, ...valuesOf(environment, names) };
  }
  return checkSettings(schema, merged, { where: file ?? 'The environment', environment });
}

function valuesOf(environment: Environment, names: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([setting, name]) => {
      const value = environment[name];
      return value === undefined || value === '' ? [] : [[setting, value]];
    }),
  );
}

interface Source {
  /** Whose mistakes they are, for people. */
  readonly where: string;
  /** Where `credential:NAME` is looked for. */
  readonly environment: Environment;
}

/** @throws CcliError `config_invalid` naming every setting that is wrong, all at once. */
export function checkSettings<T>(
  schema: z.ZodType<T>,
  value: Readonly<Record<string, unknown>>,
  { where, environment }: Source,
): T {
  const placed = placeCredentials(value, environment);
  const result = schema.safeParse(placed.settings);
  if (result.success && placed.problems.length === 0) return result.data;
  const problems = [
    ...(result.error?.issues ?? []).map(issue => ({
      path: issue.path.map(String).join('.') || '(file)',
      problem: issue.message,
    })),
    ...placed.problems,
  ].map(({ path, problem }) => `  ${path}: ${problem}`);
  throw new CcliError('config_invalid', `${where} is not a valid configuration:\n${problems.join('\n')}`);
}

/** @throws CcliError `config_invalid`, whose cause is the system's error */
export function readSettings(file: string): Record<string, unknown> {
  try {
    const value: unknown = parse(readFileSync(file, 'utf8')) ?? {};
    if (!isRecord(value)) throw new Error('expected settings, "name: value"');
    // A section whose every line is commented out is as good as absent.
    return Object.fromEntries(Object.entries(value).filter(([, setting]) => setting !== null));
  } catch (cause) {
    throw new CcliError('config_invalid', `The configuration ${file} cannot be read.`, { cause });
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
