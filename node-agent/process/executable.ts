/** Finds the file that an agent's CLI is, and the Node it is to run under. */
import { access, constants, open, readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import type { AgentType } from '../../protocol/agent.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { AgentConfig } from '../config.ts';
import { defaultNode, type NodeInstallation, type NodePlace, resolveNode } from './nvm.ts';

export interface Executable {
  /** What to start: an absolute `node` or a binary, always an absolute path. */
  readonly file: string;
  /** What comes before the CLI's own arguments: its script, when Node runs it. */
  readonly args: readonly string[];
  /** From the package that the script belongs to. */
  readonly version?: string;
  /** The Node whose directory comes first on the CLI's PATH. */
  readonly node: NodeInstallation;
}

const PROGRAMS: Readonly<Record<AgentType, { readonly command: string; readonly npm: string }>> = {
  cli_gemini: { command: 'gemini', npm: '@google/gemini-cli' },
  cli_claude: { command: 'claude', npm: '@anthropic-ai/claude-code' },
  cli_codex: { command: 'codex', npm: '@openai/codex' },
  cli_qwen: { command: 'qwen', npm: '@qwen-code/qwen-code' },
  cli_opencode: { command: 'opencode', npm: 'opencode-ai' },
  cli_generic: { command: '', npm: '' },
  ollama: { command: 'ollama', npm: '' },
};

const ownNode: NodeInstallation = {
  version: process.version,
  node: process.execPath,
  bin: dirname(process.execPath),
};

/** @throws CcliError `node_version_missing`, `cli_missing`. */
export async function findExecutable(
  agent: Pick<AgentConfig, 'id' | 'agent_type' | 'command' | 'node_version'>,
  place: NodePlace,
): Promise<Executable> {
  const chosen = agent.node_version === undefined ? undefined : await resolveNode(agent.node_version, place);
  for (const candidate of await candidates(agent, place, chosen)) {
    const found = await inspect(candidate.path, candidate.node);
    if (found !== undefined) return found;
  }
  throw missing(agent, chosen);
}

interface Candidate {
  readonly path: string;
  readonly node: NodeInstallation;
}

/** Where the CLI may be, the likeliest place first. */
async function candidates(
  agent: Pick<AgentConfig, 'agent_type' | 'command'>,
  place: NodePlace,
  chosen: NodeInstallation | undefined,
): Promise<Candidate[]> {
  const node = chosen ?? ownNode;
  const name = agent.command ?? PROGRAMS[agent.agent_type].command;
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
  if (/\.[cm]?js$/.test(real) || (await hasNodeShebang(real))) {
    const version = await packageVersion(real);
    return { file: node.node, args: [real], node, ...(version !== undefined && { version }) };
  }
  const runnable = await isRunnable(real);
  // Started by the name it was found under: some programs look at it.
  return runnable ? { file: path, args: [], node } : undefined;
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

function missing(
  agent: Pick<AgentConfig, 'id' | 'agent_type' | 'command'>,
  chosen: NodeInstallation | undefined,
): CcliError {
  const program = PROGRAMS[agent.agent_type];
  const name = agent.command ?? program.command;
  const where = name.includes('/')
    ? 'is not a file that can be run'
    : `was found neither ${chosen === undefined ? 'under nvm' : `under Node ${chosen.version}`} nor on PATH`;
  const install =
    agent.command !== undefined || program.npm === ''
      ? 'install it, or mend `command` of the agent'
      : `install it with \`npm install -g ${program.npm}\`${chosen === undefined ? '' : ` under Node ${chosen.version}`}, or name its path in \`command\``;
  return new CcliError('cli_missing', `"${name}" of agent "${agent.id}" ${where}: ${install}.`);
}
