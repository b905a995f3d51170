/** The prompt as a file that nobody but the daemon's user can read, for as long as its task runs. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CliAgentConfig } from '../../agent-config/cli.ts';
import { makeWorkspace, type Workspace } from '../../process/workspace.ts';

export interface PromptFile {
  readonly path: string;
  remove(): Promise<void>;
}

interface PromptFileOptions {
  readonly agent: Pick<CliAgentConfig, 'id' | 'cwd'>;
  readonly state_dir: string;
  /** Where the task works. */
  readonly cwd: string;
}

export async function writePromptFile(
  { agent, state_dir, cwd }: PromptFileOptions,
  prompt: string,
): Promise<PromptFile> {
  // A directory that the operator has named is not ours to write to.
  const place: Workspace =
    agent.cwd === undefined
      ? { path: cwd, remove: () => Promise.resolve() }
      : await makeWorkspace({ id: agent.id }, state_dir);
  const path = join(place.path, 'prompt.txt');
  const remove = async (): Promise<void> => {
    await rm(path, { force: true });
    await place.remove();
  };
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(prompt);
    } finally {
      await file.close();
    }
    return { path, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
