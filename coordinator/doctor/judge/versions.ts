/** Programs that should be of one version, and are not. */
import { ok, type Verdict, warn } from '../../../protocol/finding.ts';
import type { AgentView, NodeView } from '../../../protocol/operation.ts';

export interface VersionFacts {
  /** Of the ccli that asks. */
  readonly own: string;
  readonly coordinator: string;
  readonly nodes: readonly Pick<NodeView, 'node' | 'version' | 'node_js' | 'alive'>[];
  readonly agents: readonly Pick<AgentView, 'agent_type' | 'node' | 'cli_version' | 'alive'>[];
}

/** What package.json asks for. */
const LEAST_NODE = [20, 19] as const;

export function judgeVersions({ own, coordinator, nodes, agents }: VersionFacts): readonly Verdict[] {
  const alive = nodes.filter(node => node.alive);
  const found = [
    ...drift(own, coordinator, alive),
    ...oldNodes(alive),
    ...cliDrift(agents.filter(agent => agent.alive)),
  ];
  if (found.length > 0) return found;
  return [ok(`Everything runs ccli ${own}, and every CLI is of one version wherever it is.`)];
}

function drift(own: string, coordinator: string, nodes: VersionFacts['nodes']): readonly Verdict[] {
  const places = [
    ['here', own],
    ['the coordinator', coordinator],
    ...nodes.map(({ node, version }) => [node, version] as const),
  ] as const;
  if (new Set(places.map(([, version]) => version)).size === 1) return [];
  return [
    warn(
      `Not everything runs the same ccli: ${listed(places)}.`,
      'Bring all to one version: the coordinator first, then `ccli bootstrap --upgrade HOST` for the nodes.',
    ),
  ];
}

function oldNodes(nodes: VersionFacts['nodes']): readonly Verdict[] {
  const old = nodes.filter(({ node_js }) => isOlder(node_js));
  if (old.length === 0) return [];
  return [
    warn(
      `The daemons run under a Node that is too old: ${listed(old.map(({ node, node_js }) => [node, node_js]))}.`,
      `Give them Node ${LEAST_NODE.join('.')} or newer: \`ccli bootstrap --upgrade --node-version 22 HOST\`.`,
    ),
  ];
}

export function isOlder(node_js: string): boolean {
  const [major = Number.NaN, minor = Number.NaN] = node_js.replace(/^v/, '').split('.').map(Number);
  return major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]);
}

function cliDrift(agents: VersionFacts['agents']): readonly Verdict[] {
  const types = new Map<string, Map<string, Set<string>>>();
  for (const { agent_type, node, cli_version } of agents) {
    // Of a CLI by configuration alone nobody knows whether two of them are the same program.
    if (cli_version === undefined || agent_type === 'cli_generic') continue;
    const versions = types.get(agent_type) ?? new Map<string, Set<string>>();
    types.set(agent_type, versions);
    versions.set(cli_version, (versions.get(cli_version) ?? new Set<string>()).add(node));
  }
  return [...types]
    .filter(([, versions]) => versions.size > 1)
    .map(([type, versions]) => {
      const where = [...versions].map(([version, on]) => [[...on].sort().join(' and '), version] as const);
      return warn(
        `${type} is not of one version everywhere: ${listed(where)}.`,
        'Install the same version on every node, and pin it: `ccli agents update AGENT --expected-version VERSION`.',
      );
    });
}

const listed = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([where, version]) => `${where} ${version}`).join(', ');
