/** What the embedded fleet takes from its environment. The values come in as an argument; nothing here reads them. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { NatsSettings } from '../../protocol/daemon/connect.ts';
import { type Environment, NATS_VARIABLES } from '../../protocol/daemon/settings.ts';

/** A variable that is set to nothing counts as not set. */
export const valueOf = (environment: Environment, name: string): string | undefined => {
  const value = environment[name];
  return value === undefined || value === '' ? undefined : value;
};

/** The environment without some variables. */
export const without = (environment: Environment, names: readonly string[]): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !names.includes(name)));

/** By the XDG rules, which ignore a relative path. */
export function xdgDir(environment: Environment, name: string, fallback: readonly string[]): string {
  const set = valueOf(environment, name);
  if (set !== undefined && isAbsolute(set)) return join(set, 'ccli');
  return join(valueOf(environment, 'HOME') ?? homedir(), ...fallback, 'ccli');
}

/** Tools that were fetched once and are found again at the next start. */
export const cacheDir = (environment: Environment): string =>
  xdgDir(environment, 'XDG_CACHE_HOME', ['.cache']);

const { url: _url, ...CREDENTIALS } = NATS_VARIABLES;
export const CREDENTIAL_VARIABLES: readonly string[] = Object.values(CREDENTIALS);

export const natsSettings = (url: string, environment: Environment): NatsSettings => ({
  url,
  credentials_file: valueOf(environment, CREDENTIALS.credentials_file),
  nkey_file: valueOf(environment, CREDENTIALS.nkey_file),
  token_file: valueOf(environment, CREDENTIALS.token_file),
  ca_file: valueOf(environment, CREDENTIALS.ca_file),
});
