/** Finds the fleet a command speaks to: by flag, environment, configuration file, or what `ccli up` left behind. */
import { resolve } from 'node:path';
import type { NatsSettings } from '../../protocol/daemon/connect.ts';
import { findCredential, isCredential } from '../../protocol/daemon/credential.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { DEFAULT_PREFIX, PREFIX_PATTERN } from '../../protocol/subjects.ts';
import { valueOf } from '../embedded/environment.ts';
import { defaultStateDir, readRuntimeFile } from '../embedded/runtime-file.ts';
import { type CliConfig, loadCliConfig } from './config.ts';

/** As they stand on the command line. */
export interface FleetFlags {
  readonly nats?: string | undefined;
  readonly prefix?: string | undefined;
  readonly state?: string | undefined;
}

export interface FleetAddress {
  readonly nats: NatsSettings;
  readonly prefix: string;
}

/** A server, or the state directory of a fleet that `ccli up` keeps, whether it runs or not. */
export type FleetPlace = FleetAddress | { readonly state_dir: string; readonly prefix: string };

/**
 * The first of these that names a fleet decides: `--nats`, `--state`, CCLI_NATS_URL, CCLI_STATE_DIR, the file's
 * `nats.url`, its `state_dir`, and last the default state directory.
 *
 * @throws CcliError `fleet_not_found` saying how to start one; `config_invalid`.
 */
export async function findFleet(flags: FleetFlags, environment: Environment): Promise<FleetAddress> {
  const place = findPlace(flags, environment);
  if ('nats' in place) return place;
  const { nats, prefix } = await startedIn(place.state_dir);
  const asked = askedPrefix(flags, environment);
  return withCredentials({ nats, prefix: asked ?? prefix }, environment);
}

/** Where a fleet is, or would be: looks at nothing but flags, environment and file. @throws CcliError `config_invalid` */
export function findPlace(flags: FleetFlags, environment: Environment): FleetPlace {
  const config = loadCliConfig(environment);
  const prefix = askedPrefix(flags, environment) ?? config.prefix ?? DEFAULT_PREFIX;
  const place = locate(flags, environment, config);
  return 'state_dir' in place ? { ...place, prefix } : withCredentials({ nats: place, prefix }, environment);
}

function askedPrefix(flags: FleetFlags, environment: Environment): string | undefined {
  const prefix = flags.prefix ?? valueOf(environment, 'CCLI_PREFIX');
  if (prefix === undefined || PREFIX_PATTERN.test(prefix)) return prefix;
  throw new CcliError(
    'config_invalid',
    `The prefix "${prefix}" does not fit: lower-case letters, digits and "_", at most 31, a letter first.`,
  );
}

function locate(
  flags: FleetFlags,
  environment: Environment,
  config: CliConfig,
): NatsSettings | { readonly state_dir: string } {
  // Credentials of the file go only to the server that the file names.
  if (flags.nats !== undefined) return { url: flags.nats };
  if (flags.state !== undefined) return { state_dir: resolve(flags.state) };
  const url = valueOf(environment, 'CCLI_NATS_URL');
  if (url !== undefined) return { url };
  const state = valueOf(environment, 'CCLI_STATE_DIR');
  if (state !== undefined) return { state_dir: resolve(state) };
  if (config.nats.url !== undefined) return { ...config.nats, url: config.nats.url };
  return { state_dir: config.state_dir ?? defaultStateDir(environment) };
}

/** The fleet that `ccli up` keeps running in a state directory. */
export async function startedIn(state_dir: string): Promise<FleetAddress> {
  const runtime = await readRuntimeFile(state_dir);
  if (runtime === undefined) {
    throw new CcliError(
      'fleet_not_found',
      `No fleet runs in ${state_dir}. Start one with \`ccli up\`, or name one with --nats URL, --state DIR or CCLI_NATS_URL.`,
    );
  }
  return { nats: { url: runtime.nats_url }, prefix: runtime.prefix };
}

/** The files named by the environment go before any others. @throws CcliError `config_invalid` */
export function withCredentials({ nats, prefix }: FleetAddress, environment: Environment): FleetAddress {
  const files = {
    credentials_file: fileOf(environment, 'CCLI_NATS_CREDENTIALS_FILE'),
    nkey_file: fileOf(environment, 'CCLI_NATS_NKEY_FILE'),
    token_file: fileOf(environment, 'CCLI_NATS_TOKEN_FILE'),
    ca_file: fileOf(environment, 'CCLI_NATS_CA_FILE'),
  };
  return {
    nats: { ...nats, ...Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined)) },
    prefix,
  };
}

function fileOf(environment: Environment, variable: string): string | undefined {
  const value = valueOf(environment, variable);
  if (value === undefined || !isCredential(value)) return value;
  const file = findCredential(value, environment);
  if (typeof file === 'string') return file;
  throw new CcliError('config_invalid', `${variable} names no file: ${file.problem}.`);
}
