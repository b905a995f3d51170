/** Which of the Nodes on a host is meant. Pure. */
import { gte, rcompare, valid } from 'semver';
import type { NodeFound, Wanted } from './facts.ts';

/** As `engines` of the package says it. */
export const LEAST_NODE = '20.19.0';

/** As in `v22.14.0 (nvm)`; undefined for what is no Node at all. */
export function nodeFound(line: string): NodeFound | undefined {
  const [from, path = '', named = '', printed = ''] = line.split('\t');
  const runs = valid(printed) !== null;
  const version = runs ? printed : named;
  if (valid(version) === null) return undefined;
  return { version, path, from: from === 'nvm' ? 'nvm' : 'path', runs };
}

/** Newest first, each file once: nvm's may be on PATH as well. */
export function sortNodes(nodes: readonly NodeFound[]): NodeFound[] {
  const byPath = new Map<string, NodeFound>();
  for (const node of nodes) if (!byPath.has(node.path)) byPath.set(node.path, node);
  return [...byPath.values()].sort(
    (one, other) =>
      rcompare(one.version, other.version) || Number(other.from === 'nvm') - Number(one.from === 'nvm'),
  );
}

export const isNewEnough = ({ version }: NodeFound): boolean => gte(version, LEAST_NODE);

/** What a wish comes down to, as nvm would see it; without one, nvm's default if it will do, else the newest. */
export function chooseNode(
  nodes: readonly NodeFound[],
  aliases: Readonly<Record<string, string>>,
  wanted: Wanted['node_version'],
): NodeFound | undefined {
  if (wanted !== undefined) return pick(nodes, follow(aliases, wanted));
  const usable = nodes.filter(node => node.runs && isNewEnough(node));
  const ofNvm = usable.filter(({ from }) => from === 'nvm');
  return pick(ofNvm, follow(aliases, 'default')) ?? ofNvm[0] ?? usable[0];
}

/** A loop of aliases ends where it began. */
function follow(aliases: Readonly<Record<string, string>>, wanted: string): string {
  const seen = new Set<string>();
  let name = wanted.trim();
  while (!seen.has(name)) {
    seen.add(name);
    const target = Object.hasOwn(aliases, name) ? aliases[name]?.replace(/#.*/, '').trim() : undefined;
    if (target === undefined || target === '') break;
    name = target;
  }
  return name;
}

function pick(nodes: readonly NodeFound[], name: string): NodeFound | undefined {
  if (name === 'node' || name === 'stable') return nodes[0];
  const prefix = name.startsWith('v') ? name : `v${name}`;
  return nodes.find(({ version }) => version === prefix || version.startsWith(`${prefix}.`));
}
