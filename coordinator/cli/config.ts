/** The caller's own configuration: `ccli/config.yaml` under XDG_CONFIG_HOME or ~/.config. Says where the fleet is. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { PREFIX_PATTERN } from '../../protocol/subjects.ts';
import type { Environment } from './io.ts';

export const homeOf = (environment: Environment): string => environment['HOME'] ?? homedir();

const pathSchema = (home: string) =>
  z
    .string()
    .min(1)
    .transform(path => resolve(path.replace(/^~(?=\/|$)/, home)));

const configSchema = (home: string) => {
  const path = pathSchema(home).optional();
  return z.strictObject({
    nats: z
      .strictObject({
        url: z.string().min(1).optional(),
        credentials_file: path,
        nkey_file: path,
        token_file: path,
        ca_file: path,
      })
      .prefault({}),
    prefix: z
      .string()
      .regex(PREFIX_PATTERN, 'lower-case letters, digits and "_", at most 31, a letter first')
      .optional(),
    /** Of a fleet started with `ccli up`. */
    state_dir: path,
  });
};
export type CliConfig = z.infer<ReturnType<typeof configSchema>>;

export function configFile(environment: Environment): string {
  const xdg = environment['XDG_CONFIG_HOME'];
  // The XDG specification says that a relative path is to be ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeOf(environment), '.config');
  return join(base, 'ccli', 'config.yaml');
}

/**
 * A missing file is an empty configuration.
 *
 * @throws CcliError `config_invalid` naming the file and every setting that is wrong.
 */
export function loadCliConfig(environment: Environment): CliConfig {
  const file = configFile(environment);
  const result = configSchema(homeOf(environment)).safeParse(readYaml(file));
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    issue => `  ${issue.path.map(String).join('.') || '(file)'}: ${issue.message}`,
  );
  throw new CcliError('config_invalid', `${file} is not a valid configuration:\n${problems.join('\n')}`);
}

function readYaml(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8')) ?? {};
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR'))
      return {};
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CcliError('config_invalid', `The configuration ${file} cannot be read: ${reason}`, { cause });
  }
}
