/** The configuration that the embedded fleet gives its node-agent when the operator names none. */
import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { NAME_PATTERN } from '../../protocol/subjects.ts';
import { valueOf } from './environment.ts';

const MODEL = 'gemini-2.5-pro';

/** Handed to the CLI by name: a key is never written to a file of ours. */
export const KEY_VARIABLES = ['GEMINI_API_KEY', 'GOOGLE_GEMINI_BASE_URL'];

const HEADER = `# Written anew by \`ccli up\` at each start. To change it, copy it and start with --config COPY.
`;

export const hasKey = (environment: Environment): boolean =>
  valueOf(environment, 'GEMINI_API_KEY') !== undefined;

/** This host as a name on the wire. */
export const hostNode = (): string =>
  (hostname().split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63) || 'node';

interface NodeFile {
  readonly node: string;
  /** Where the demo model listens; absent when the operator has a key. */
  readonly demo_url: string | undefined;
  /** Ollama servers on which agents may be registered. */
  readonly ollama_endpoints: readonly string[];
}

export async function writeNodeAgentFile(path: string, file: NodeFile): Promise<void> {
  const { node, demo_url, ollama_endpoints } = file;
  const access =
    demo_url === undefined
      ? { pass_env: KEY_VARIABLES }
      : { env: { GOOGLE_GEMINI_BASE_URL: demo_url, GEMINI_API_KEY: 'demo-key-of-the-built-in-model' } };
  const config = {
    node,
    permit: { ollama: { endpoints: ollama_endpoints } },
    agents: [
      { id: `${node.slice(0, 56)}-gemini`, agent_type: 'cli_gemini', driver: 'acp', model: MODEL, ...access },
    ],
  };
  await writeFile(path, HEADER + stringify(config), { mode: 0o600 });
}

const NamedNodeSchema = z.looseObject({ node: z.string().regex(NAME_PATTERN).optional() });

/** Only its node's name: whether the rest of the file is right is for the node-agent to say. */
export async function nodeOfFile(path: string): Promise<string | undefined> {
  try {
    const found = NamedNodeSchema.safeParse(parse(await readFile(path, 'utf8')));
    return found.success ? found.data.node : undefined;
  } catch {
    // The node-agent will read it again, and tell what is wrong with it.
    return undefined;
  }
}
