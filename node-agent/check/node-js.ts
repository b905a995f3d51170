/** The Node that the node-agent itself runs under. */
import type { Check } from '../../protocol/daemon/checks.ts';
import { fail, ok, type Verdict } from '../../protocol/finding.ts';
import type { CheckContext } from './context.ts';

const LEAST = [20, 19] as const;

export const nodeJsCheck: Check<CheckContext> = {
  id: 'node_js',
  title: 'the Node of the node-agent',
  limit_ms: 1_000,
  run: () => Promise.resolve([judgeNodeJs(process.version, process.execPath)]),
};

export function judgeNodeJs(version: string, path: string): Verdict {
  const [major = Number.NaN, minor = Number.NaN] = version.replace(/^v/, '').split('.').map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]))
    return ok(`The node-agent runs under Node ${version.replace(/^v/, '')}, ${path}.`);
  return fail(
    `Node ${version.replace(/^v/, '')} is too old for the node-agent.`,
    `Use ${LEAST.join('.')} or newer: \`ccli bootstrap --upgrade --node-version 22 HOST\`.`,
    { code: 'node_version_missing' },
  );
}
