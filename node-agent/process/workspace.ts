/** Where one task works: a fresh directory of its own, or the one that its agent names. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CliAgentConfig } from '../agent-config/cli.ts';

export interface Workspace {
  readonly path: string;
  remove(): Promise<void>;
}

export async function makeWorkspace(
  agent: Pick<CliAgentConfig, 'id' | 'cwd'>,
  state_dir: string,
): Promise<Workspace> {
  if (agent.cwd !== undefined) return { path: agent.cwd, remove: () => Promise.resolve() };
  const parent = join(state_dir, 'work');
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const path = await mkdtemp(join(parent, `${agent.id}-`));
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
