/** Finds a Node version that nvm installed by reading nvm's own files: no shell, no `nvm use`, a millisecond. */
import { access, constants, readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';

export interface NodePlace {
  readonly nvm_dir?: string | undefined;
  readonly environment: Environment;
}

/** One installed Node: `version` as in `v22.14.0`, `bin` the directory that holds `node` and what npm linked there. */
export interface NodeInstallation {
  readonly version: string;
  readonly node: string;
  readonly bin: string;
}

export const nvmDirectory = ({ nvm_dir, environment }: NodePlace): string =>
  nvm_dir ?? environment['NVM_DIR'] ?? join(environment['HOME'] ?? homedir(), '.nvm');

/**
 * What `nvm which <wanted>` would find: a version or a part of one (`v22.14.0`, `22`), or an alias (`default`,
 * `lts/jod`, `node`).
 *
 * @throws CcliError `node_version_missing` naming the versions that are installed.
 */
export async function resolveNode(wanted: string, place: NodePlace): Promise<NodeInstallation> {
  const root = nvmDirectory(place);
  const installed = await installedVersions(root);
  const version = pick(await followAliases(root, wanted), installed);
  if (version === undefined) throw missing(wanted, root, installed);
  const bin = binOf(root, version);
  return { version, node: join(bin, 'node'), bin };
}

/** The version that a new nvm shell would use, if nvm is there at all. */
export async function defaultNode(place: NodePlace): Promise<NodeInstallation | undefined> {
  const root = nvmDirectory(place);
  const installed = await installedVersions(root);
  const version = pick(await followAliases(root, 'default'), installed) ?? installed[0];
  if (version === undefined) return undefined;
  const bin = binOf(root, version);
  return { version, node: join(bin, 'node'), bin };
}

const binOf = (root: string, version: string): string => join(root, 'versions', 'node', version, 'bin');

/** Newest first; a directory without a runnable `node` is no installation. */
async function installedVersions(root: string): Promise<string[]> {
  const names = await readdir(join(root, 'versions', 'node')).catch(() => []);
  const complete = await Promise.all(
    names
      .filter(name => /^v\d+\.\d+\.\d+$/.test(name))
      .map(async name => {
        const runnable = await access(join(binOf(root, name), 'node'), constants.X_OK).then(
          () => true,
          () => false,
        );
        return runnable ? [name] : [];
      }),
  );
  return complete.flat().sort((one, other) => compare(other, one));
}

function compare(one: string, other: string): number {
  const [left, right] = [numbers(one), numbers(other)];
  const differing = left.findIndex((number, index) => number !== right[index]);
  return differing === -1 ? 0 : (left[differing] ?? 0) - (right[differing] ?? 0);
}

const numbers = (version: string): number[] => version.replace(/^v/, '').split('.').map(Number);

/** An alias file holds a version or the name of another alias in its first line; a loop ends where it began. */
async function followAliases(root: string, wanted: string): Promise<string> {
  const seen = new Set<string>();
  let name = wanted.trim();
  while (!seen.has(name) && /^[\w./*-]+$/.test(name) && !name.split('/').includes('..')) {
    seen.add(name);
    const written = await readFile(join(root, 'alias', name), 'utf8').catch(() => undefined);
    const target = written?.split('\n')[0]?.replace(/#.*/, '').trim();
    if (target === undefined || target === '') break;
    name = target;
  }
  return name;
}

function pick(wanted: string, installed: readonly string[]): string | undefined {
  if (wanted === 'node' || wanted === 'stable') return installed[0];
  const prefix = wanted.startsWith('v') ? wanted : `v${wanted}`;
  return installed.find(version => version === prefix || version.startsWith(`${prefix}.`));
}

function missing(wanted: string, root: string, installed: readonly string[]): CcliError {
  const present =
    installed.length === 0 ? 'no version is installed there' : `installed there: ${installed.join(', ')}`;
  return new CcliError(
    'node_version_missing',
    `Node "${wanted}" is not installed under ${root} (${present}). Install it with \`nvm install ${wanted}\`, or change node_version.`,
  );
}
