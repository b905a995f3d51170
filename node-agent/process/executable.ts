/** Finds the file that an agent's CLI is, and the Node it is to run under. */
import { access, constants, open, readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { CcliError } from '../../protocol/errors.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import { presetOf, programOf } from '../presets/effective.ts';
import { defaultNode, type NodeInstallation, type NodePlace, resolveNode } from './nvm.ts';

export interface Executable {
  /** What to start: an absolute `node` or a binary, always an absolute path. */
  readonly file: string;
  /** What comes before the CLI's own arguments: its script, when Node runs it. */
  readonly args: readonly string[];
  /** The real file that runs, or that Node runs: no link. */
  readonly path: string;
  /** From the package that the file belongs to. */
  readonly version?: string;
  /** The Node whose directory comes first on the CLI's PATH. */
  readonly node: NodeInstallation;
}

type Sought = Pick<CliAgentConfig, 'id' | 'agent_type' | 'command' | 'node_version'> &
  Partial<Pick<CliAgentConfig, 'driver'>>;

const programFor = ({ agent_type, driver }: Sought) =>
  programOf({ agent_type, driver: driver ?? presetOf({ agent_type })?.driver ?? 'headless' });

const ownNode: NodeInstallation = {
  version: process.version,
  node: process.execPath,
  bin: dirname(process.execPath),
};

/** @throws CcliError `node_version_missing`, `cli_missing`. */
export async function findExecutable(agent: Sought, place: NodePlace): Promise<Executable> {
  const chosen = agent.node_version === undefined ? undefined : await resolveNode(agent.node_version, place);
  for (const candidate of await candidates(agent, place, chosen)) {
    const found = await inspect(candidate.path, candidate.node);
    if (found !== undefined) return checkNode(agent, found);
  }
  throw missing(agent, chosen);
}

/** @throws CcliError `node_version_missing` for a script that would not run under its Node. */
function checkNode(agent: Sought, found: Executable): Executable {
  const least = presetOf(agent)?.min_node;
  const major = Number(/^v(\d+)/.exec(found.node.version)?.[1]);
  if (least === undefined || found.args.length === 0 || !(major < least)) return found;
  throw new CcliError(
    'node_version_missing',
    `The CLI of agent "${agent.id}" needs Node ${least} or newer, and would run under ${found.node.version}; name another one in node_version.`,
  );
}

interface Candidate {
  readonly path: string;
  readonly node: NodeInstallation;
}

/** Where the CLI may be, the likeliest place first. */
async function candidates(
  agent: Sought,
  place: NodePlace,
  chosen: NodeInstallation | undefined,
): Promise<Candidate[]> {
  const node = chosen ?? ownNode;
  const name = agent.command ?? programFor(agent)?.command ?? '';
  if (name.includes('/')) return [{ path: expandHome(name, place), node }];
  const onPath = (place.environment['PATH'] ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map(directory => ({ path: join(directory, name), node }));
  if (chosen !== undefined) onPath.unshift({ path: join(chosen.bin, name), node });
  if (agent.agent_type !== 'cli_gemini' || agent.command !== undefined) return onPath;
  const underDefault = chosen === undefined ? await defaultNode(place) : undefined;
  const shipped = shippedGemini();
  return [
    ...(underDefault === undefined ? [] : [{ path: join(underDefault.bin, name), node: underDefault }]),
    ...onPath,
    ...(shipped === undefined ? [] : [{ path: shipped, node }]),
  ];
}

const expandHome = (path: string, { environment }: NodePlace): string =>
  resolve(path.replace(/^~(?=\/)/, environment['HOME'] ?? homedir()));

/** The CLI's package beside our own, where it is installed: it need not be. */
function shippedGemini(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve('@google/gemini-cli/package.json');
    return join(dirname(manifest), 'bundle', 'gemini.js');
  } catch {
    return undefined;
  }
}

async function inspect(path: string, node: NodeInstallation): Promise<Executable | undefined> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return undefined;
  const version = await packageVersion(real);
  if (/\.[cm]?js$/.test(real) || (await hasNodeShebang(real))) {
    return { file: node.node, args: [real], path: real, node, ...(version !== undefined && { version }) };
  }
  const runnable = await isRunnable(real);
  // Started by the name it was found under: some programs look at it.
  return runnable
    ? { file: path, args: [], path: real, node, ...(version !== undefined && { version }) }
    : undefined;
}

async function isRunnable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function hasNodeShebang(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(128), 0, 128, 0);
    return /^#!\s*\S*(\/env\s+(-S\s+)?)?\bnode\b/.test(
      buffer.toString('latin1', 0, bytesRead).split('\n')[0] ?? '',
    );
  } catch {
    // A directory: nothing that can run.
    return false;
  } finally {
    await file.close();
  }
}

async function packageVersion(script: string): Promise<string | undefined> {
  for (let directory = dirname(script); dirname(directory) !== directory; directory = dirname(directory)) {
    const text = await readFile(join(directory, 'package.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) {
      const version = /"version"\s*:\s*"([^"]+)"/.exec(text)?.[1];
      if (version !== undefined) return version;
    }
    if (basename(directory) === 'node_modules') return undefined;
  }
  return undefined;
}

function missing(agent: Sought, chosen: NodeInstallation | undefined): CcliError {
  const program = programFor(agent);
  const name = agent.command ?? program?.command ?? '';
  const where = name.includes('/')
    ? 'is not a file that can be run'
    : `was found neither ${chosen === undefined ? 'under nvm' : `under Node ${chosen.version}`} nor on PATH`;
  const under = chosen === undefined || program?.package === undefined ? '' : ` under Node ${chosen.version}`;
  const install = program === undefined ? 'install it' : `install it with \`${program.install}\`${under}`;
  const otherwise =
    agent.command === undefined ? 'name its path in `command`' : 'mend `command` of the agent';
  return new CcliError(
    'cli_missing',
    `"${name}" of agent "${agent.id}" ${where}: ${install}, or ${otherwise}.`,
  );
}
