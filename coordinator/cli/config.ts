/** The caller's own configuration: `ccli/config.yaml` under XDG_CONFIG_HOME or ~/.config. Says where the fleet is. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../protocol/daemon/settings.ts';
import {
  checkSettings,
  natsFiles,
  PrefixSchema,
  pathSchema,
  readSettings,
} from '../../protocol/daemon/settings.ts';

export const homeOf = (environment: Environment): string => environment['HOME'] ?? homedir();

const configSchema = (home: string) => {
  return z.strictObject({
    nats: z.strictObject({ url: z.string().min(1).optional(), ...natsFiles(pathSchema(home)) }).prefault({}),
    prefix: PrefixSchema.optional(),
    /** Of a fleet started with `ccli up`. */
    state_dir: pathSchema(home).optional(),
  });
};
export type CliConfig = z.infer<ReturnType<typeof configSchema>>;

export function configFile(environment: Environment): string {
  const xdg = environment['XDG_CONFIG_HOME'];
  // The XDG specification says that a relative path is to be ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeOf(environment), '.config');
  return join(base, 'ccli', 'config.yaml');
}

/** For users without one of their own, on a host where `deploy/install.sh` has put a coordinator. */
const SYSTEM_FILE = '/etc/ccli/config.yaml';

/**
 * The user's file, else the system's; where there is neither, nothing is set.
 *
 * @throws CcliError `config_invalid` naming the file and every setting that is wrong.
 */
export function loadCliConfig(environment: Environment): CliConfig {
  const own = configFile(environment);
  const written = existing(own);
  const [where, settings] =
    written === undefined ? [SYSTEM_FILE, existing(SYSTEM_FILE) ?? {}] : [own, written];
  return checkSettings(configSchema(homeOf(environment)), settings, { where, environment });
}

function existing(file: string): Record<string, unknown> | undefined {
  try {
    return readSettings(file);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const missing =
      cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    if (missing) return undefined;
    throw error;
  }
}
