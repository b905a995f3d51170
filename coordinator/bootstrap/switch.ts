/** Which of the uploaded versions a host has, and which of them is the one that runs. */
import { randomBytes } from 'node:crypto';
import { CcliError } from '../../protocol/errors.ts';
import type { SshHost } from '../ssh/ssh.ts';
import { type Answers, askHost } from './answers.ts';
import { createShell, quote } from './shell.ts';
import { isPartial, isVersion } from './version-name.ts';

export interface InstalledVersions {
  readonly current: string | undefined;
  readonly versions: readonly string[];
  /** Uploads that were not finished, by their directories' names. */
  readonly partial: readonly string[];
}

/** A place on a host: `base` is `<home>/.local/share/ccli`, absolute. */
export interface Place {
  readonly base: string;
  readonly signal: AbortSignal;
}

/** Removing takes its time on a disk that is busy. */
const TIMEOUT_MS = 60_000;

const LIST = `
set +e
say current "$(readlink -- "$base/current" 2>/dev/null)"
for version in "$base"/versions/*; do
  if [ -d "$version" ]; then say version "\${version##*/}"; fi
done`;

const ask = (host: SshHost, { base, signal }: Place, script: string): Promise<Answers> =>
  askHost(createShell(host, signal), script, { values: { base }, timeout_ms: TIMEOUT_MS });

/** Nothing installed is an answer, no error. @throws CcliError those of `SshHost.run` */
export async function installedVersions(host: SshHost, place: Place): Promise<InstalledVersions> {
  const answers = await ask(host, place, LIST);
  const names = answers.all('version');
  return {
    current: answers.one('current')?.replace(/^.*\//, ''),
    versions: names.filter(name => !isPartial(name)),
    partial: names.filter(isPartial),
  };
}

/**
 * Points `current` to a version, atomically; gives the version it pointed to before.
 *
 * @throws CcliError `host_not_ready` when that version is not there; those of `SshHost`
 */
export async function switchTo(host: SshHost, version: string, place: Place): Promise<string | undefined> {
  const { base, signal } = place;
  const { current, versions } = await installedVersions(host, place);
  if (!isVersion(version) || !versions.includes(version))
    throw new CcliError('host_not_ready', `Version ${version} is not on ${host.name}; upload it first.`);
  if (current === version) return current;
  const link = `${base}/current-${randomBytes(4).toString('hex')}`;
  await host.sftp(async files => {
    await files.symlink(`versions/${version}`, link);
    try {
      await files.rename(link, `${base}/current`);
    } catch (error) {
      await files.remove(link);
      throw error;
    }
  }, signal);
  return current;
}

/** Takes `current` away: what `switchTo` on a bare host is rolled back with. */
export async function switchOff(host: SshHost, place: Place): Promise<void> {
  await ask(host, place, 'rm -f -- "$base/current"');
}

/**
 * Removes versions and unfinished uploads but those in `keep`; the current one stays whatever is asked. Gives the names of
 * what was removed.
 */
export async function removeVersions(
  host: SshHost,
  keep: readonly string[],
  place: Place,
): Promise<readonly string[]> {
  const { current, versions, partial } = await installedVersions(host, place);
  const old = [...versions, ...partial].filter(name => name !== current && !keep.includes(name));
  if (old.length === 0) return [];
  await ask(
    host,
    place,
    `cd -- "$base/versions"\nrm -rf -- ${old.map(name => quote(`./${name}`)).join(' ')}`,
  );
  return old;
}
