/** Whether a host has the Node that is meant. Pure. */
import { fail, ok, type Verdict } from '../../protocol/finding.ts';
import type { HostFacts, NodeFound, Wanted } from './facts.ts';
import { isNewEnough, LEAST_NODE } from './facts-node.ts';

/** Installed where nobody has said which one. */
const SUGGESTED = '22';

export function judgeNode(facts: HostFacts, { node_version }: Wanted): Verdict {
  const { node, nodes } = facts;
  const code = 'node_version_missing';
  if (node === undefined)
    return fail(
      node_version === undefined
        ? `No Node ${LEAST_NODE} or newer is there; ${listed(nodes)}.`
        : `Node ${node_version} is not there; ${listed(nodes)}.`,
      install(facts, node_version ?? SUGGESTED),
      { code },
    );
  if (!node.runs)
    return fail(
      `Node ${node.version} is there and does not start: ${node.path}.`,
      `Look what \`${node.path} --version\` says there; it may have been built for another system.`,
      { code },
    );
  if (!isNewEnough(node))
    return fail(
      `Node ${node.version} is older than ${LEAST_NODE}; ${listed(nodes)}.`,
      install(facts, SUGGESTED),
      { code },
    );
  return ok(`Node ${node.version}, ${node.path}.`);
}

function listed(nodes: readonly NodeFound[]): string {
  if (nodes.length === 0) return 'none is installed';
  const shown = nodes.map(({ version, from, runs }) =>
    [version, ...(from === 'path' ? ['(not of nvm)'] : []), ...(runs ? [] : ['(does not start)'])].join(' '),
  );
  return `installed: ${shown.join(', ')}`;
}

function install({ nvm_dir, libc }: HostFacts, version: string): string {
  if (libc === 'musl')
    return `Install the Node of the distribution, ${LEAST_NODE} or newer: \`apk add nodejs\`.`;
  const command = `nvm install ${version}`;
  return nvm_dir === undefined
    ? `Install nvm there (github.com/nvm-sh/nvm), then run \`${command}\`.`
    : `Run it there: \`. ${nvm_dir}/nvm.sh && ${command}\`.`;
}
