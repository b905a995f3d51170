/** The file of a node-agent: made new, or an existing one with only those settings changed that were asked for. */
import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { CcliError } from '../../protocol/errors.ts';
import { parseDuration } from '../../protocol/quantity.ts';

/** What is to be in it; what is absent stays as it is. */
export interface ConfigWish {
  readonly node?: string | undefined;
  readonly prefix?: string | undefined;
  readonly nats_url?: string | undefined;
  readonly node_version?: string | undefined;
  /** Names of credentials. */
  readonly nats_credentials?: string | undefined;
  readonly nats_token?: string | undefined;
  readonly gemini_api_key?: string | undefined;
}

/** A file with one gemini agent. */
export const newConfig = (node: string, wish: ConfigWish): string =>
  amendConfig(
    `# Written by \`ccli bootstrap\`. Edit it as you like: it is never overwritten without --force-config.
node: ${node}
nats: {}
agents:
  - id: ${node}-gemini
    agent_type: cli_gemini
`,
    wish,
  );

/** Comments and layout stay. @throws CcliError `config_invalid` */
export function amendConfig(text: string, wish: ConfigWish): string {
  const document = read(text);
  const before = print(document);
  const set = (path: readonly (string | number)[], value: string | undefined): void => {
    if (value === undefined || document.getIn(path) === value) return;
    const parent = path.slice(0, -1);
    // An empty `nats: {}` would go on in one line.
    const above = document.getIn(parent);
    if (parent.length > 0 && isMap(above) && above.items.length === 0) above.flow = false;
    if (parent.length > 0 && !isMap(above)) document.setIn(parent, document.createNode({}));
    document.setIn(path, value);
  };
  set(['node'], wish.node);
  set(['prefix'], wish.prefix);
  set(['nats', 'url'], wish.nats_url);
  set(['nats', 'credentials_file'], reference(wish.nats_credentials));
  set(['nats', 'token_file'], reference(wish.nats_token));
  const gemini = geminiIndex(document);
  if (gemini !== undefined) {
    set(['agents', gemini, 'node_version'], wish.node_version);
    set(['agents', gemini, 'env_files', 'GEMINI_API_KEY'], reference(wish.gemini_api_key));
  }
  const after = print(document);
  return after === before ? text : after;
}

/** No line is broken because it is long. */
const print = (document: Document): string => document.toString({ lineWidth: 0 });

const reference = (credential: string | undefined): string | undefined =>
  credential === undefined ? undefined : `credential:${credential}`;

interface GeminiSettings {
  readonly node_version: string | undefined;
  /** Whether it names an executable of its own; and says by itself how it signs in. */
  readonly own_command: boolean;
  readonly own_sign_in: boolean;
}

/** What the rest of a bootstrap must know of it. */
export interface ConfigFacts {
  readonly node: string | undefined;
  readonly prefix: string | undefined;
  readonly nats_url: string | undefined;
  readonly state_dir: string | undefined;
  readonly drain_timeout_ms: number | undefined;
  readonly agents: readonly { readonly id: string; readonly agent_type: string }[];
  /** As they are written there: in which agents work (`cwd`), and where they keep what is theirs (`home`). */
  readonly directories: readonly string[];
  /** Of its first gemini agent. */
  readonly gemini?: GeminiSettings;
}

/** @throws CcliError `config_invalid` */
export function readConfig(text: string): ConfigFacts {
  const document = read(text);
  const string = (...path: string[]): string | undefined => {
    const value = document.getIn(path);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const drain = document.getIn(['drain_timeout']);
  const gemini = agentsOf(document).find(agent => agent.get('agent_type') === 'cli_gemini');
  return {
    node: string('node'),
    prefix: string('prefix'),
    nats_url: string('nats', 'url'),
    state_dir: string('state_dir'),
    drain_timeout_ms:
      typeof drain === 'number' ? drain : typeof drain === 'string' ? parseDuration(drain) : undefined,
    agents: agentsOf(document).flatMap(agent => {
      const id = agent.get('id');
      const agent_type = agent.get('agent_type');
      return typeof id === 'string' && typeof agent_type === 'string' ? [{ id, agent_type }] : [];
    }),
    directories: agentsOf(document).flatMap(agent =>
      ['cwd', 'home'].flatMap(setting => {
        const directory = agent.get(setting);
        return typeof directory === 'string' && directory !== '' ? [directory] : [];
      }),
    ),
    ...(gemini !== undefined && { gemini: geminiSettings(gemini) }),
  };
}

function geminiSettings(agent: YAMLMap): GeminiSettings {
  const node_version = agent.get('node_version');
  return {
    node_version: typeof node_version === 'string' ? node_version : undefined,
    own_command: agent.has('command'),
    own_sign_in: ['env', 'env_files', 'home'].some(setting => agent.has(setting)),
  };
}

function read(text: string): Document {
  const document = parseDocument(text, { prettyErrors: false });
  const [mistake] = document.errors;
  if (mistake !== undefined)
    throw new CcliError(
      'config_invalid',
      `The configuration of the node-agent is no YAML: ${mistake.message}.`,
      {
        cause: mistake,
      },
    );
  if (document.contents !== null && !isMap(document.contents))
    throw new CcliError(
      'config_invalid',
      'The configuration of the node-agent has no settings, "name: value".',
    );
  return document;
}

function agentsOf(document: Document): YAMLMap[] {
  const agents = document.get('agents');
  return isSeq(agents) ? agents.items.flatMap(item => (isMap(item) ? [item] : [])) : [];
}

function geminiIndex(document: Document): number | undefined {
  const agents = document.get('agents');
  if (!isSeq(agents)) return undefined;
  const index = agents.items.findIndex(item => isMap(item) && item.get('agent_type') === 'cli_gemini');
  return index === -1 ? undefined : index;
}
