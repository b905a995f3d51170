/** What nvm has installed. Agents that need none of it are no worse off without it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check } from '../../protocol/daemon/checks.ts';
import { ok, skipped } from '../../protocol/finding.ts';
import { defaultNode, nvmDirectory } from '../process/nvm.ts';
import { type CheckContext, configOf } from './context.ts';

export const nvmCheck: Check<CheckContext> = {
  id: 'nvm',
  title: 'nvm',
  limit_ms: 5_000,
  needs: ['config'],
  async run(context) {
    const place = configOf(context);
    const root = nvmDirectory(place);
    const names = await readdir(join(root, 'versions', 'node')).catch(() => []);
    const versions = names.filter(name => /^v\d+\.\d+\.\d+$/.test(name)).sort();
    const used = await defaultNode(place);
    if (used === undefined) return [skipped(`nvm has no Node under ${root}; the node-agent's own serves.`)];
    return [ok(`nvm has Node ${versions.join(', ')} under ${root}; its default is ${used.version}.`)];
  },
};
