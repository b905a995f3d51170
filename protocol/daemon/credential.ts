/**
 * Secrets by name: `credential:NAME` in place of a path. The same setting then fits a service that systemd hands its
 * secrets, a user's own daemon, and a host where they lie in /etc.
 *
 * Looked for in this order: the service's own credentials (`LoadCredential=NAME:…`, or `LoadCredential=ccli:DIRECTORY`,
 * by which systemd calls each file `ccli_NAME`), then `~/.config/ccli/credentials`, then `/etc/ccli/credentials`.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

const CREDENTIAL_PREFIX = 'credential:';
/** A file's name and nothing more. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const SYSTEM_DIRECTORY = '/etc/ccli/credentials';

interface MissingCredential {
  readonly problem: string;
}

export const isCredential = (value: string): boolean => value.startsWith(CREDENTIAL_PREFIX);

/** The file it stands for, or what is wrong, for people. */
export function findCredential(value: string, environment: Environment): string | MissingCredential {
  const name = value.slice(CREDENTIAL_PREFIX.length);
  if (!NAME.test(name))
    return {
      problem: `write ${CREDENTIAL_PREFIX}NAME, where NAME is that of a file: letters, digits, "_", ".", "-"`,
    };
  const places = placesOf(name, environment);
  return (
    places.find(isFile) ?? { problem: `there is no credential "${name}"; looked for ${places.join(', ')}` }
  );
}

function placesOf(name: string, environment: Environment): string[] {
  const given = environment['CREDENTIALS_DIRECTORY'];
  const of_service =
    given === undefined || !isAbsolute(given) ? [] : [join(given, name), join(given, `ccli_${name}`)];
  return [...of_service, join(userDirectory(environment), name), join(SYSTEM_DIRECTORY, name)];
}

function userDirectory(environment: Environment): string {
  const home = environment['HOME'];
  return join(home === undefined || home === '' ? homedir() : home, '.config', 'ccli', 'credentials');
}

/** One in a directory that must not be entered is none to us. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

interface Found<T> {
  readonly settings: T;
  /** By the setting's place: `nats.token_file`. */
  readonly problems: readonly { readonly path: string; readonly problem: string }[];
}

/** What goes to a tool as it stands, or is only looked at when one starts. */
const NOT_OURS = new Set(['env', 'env_files']);

/** Puts paths in place of names, in every setting whose name says that it is a file. */
export function placeCredentials(
  settings: Readonly<Record<string, unknown>>,
  environment: Environment,
): Found<Record<string, unknown>> {
  const problems: { path: string; problem: string }[] = [];
  const replaced = (value: unknown, path: string): unknown => {
    if (typeof value === 'string' && isCredential(value)) {
      const found = findCredential(value, environment);
      if (typeof found === 'string') return found;
      problems.push({ path, problem: found.problem });
      return value;
    }
    return Array.isArray(value) ? value.map((one, at) => replaced(one, `${path}.${at}`)) : value;
  };
  const walk = (value: unknown, path: string, name: string): unknown => {
    if (NOT_OURS.has(name)) return value;
    if (/_files?$/.test(name)) return replaced(value, path);
    if (Array.isArray(value)) return value.map((one, at) => walk(one, `${path}.${at}`, ''));
    if (typeof value !== 'object' || value === null) return value;
    return walkAll(value, path);
  };
  const walkAll = (section: object, path: string): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(section).map(([name, value]) => [
        name,
        walk(value, path === '' ? name : `${path}.${name}`, name),
      ]),
    );
  return { settings: walkAll(settings, ''), problems };
}
