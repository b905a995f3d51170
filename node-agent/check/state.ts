/** Whether the state directory can be used, and who works in it. Takes no lock. */
import { access, constants, readFile, stat } from 'node:fs/promises';
import type { Check } from '../../protocol/daemon/checks.ts';
import { fail, ok, type Verdict, warn } from '../../protocol/finding.ts';
import { stateHolder } from '../state-directory.ts';
import { type CheckContext, configOf } from './context.ts';

export const stateCheck: Check<CheckContext> = {
  id: 'state',
  title: 'the state directory',
  limit_ms: 5_000,
  needs: ['config'],
  async run(context) {
    const { state_dir } = configOf(context);
    const there = await stat(state_dir).catch(() => undefined);
    if (there === undefined) return [ok(`${state_dir} is made when the node-agent first starts.`), NOBODY];
    if (!(await isUsable(state_dir))) {
      return [
        fail(
          `${state_dir} is not a directory that this user can write in.`,
          'Give it to the user that the node-agent runs as, or set state_dir.',
          { code: 'permission_denied' },
        ),
      ];
    }
    const holder = await stateHolder(state_dir);
    return [ok(`${state_dir} can be written.`), holder === undefined ? NOBODY : await owner(holder.pid)];
  },
};

const NOBODY = warn(
  'No node-agent runs in its state directory.',
  'Start it by whatever runs it: `systemctl start ccli-node-agent@$USER`, `systemctl --user start ccli-node-agent`, or `ccli node-agent`.',
  { check: 'daemon' },
);

async function owner(pid: number): Promise<Verdict> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!command.split('\0').includes('stand-in'))
    return ok(`The node-agent runs, as process ${pid}.`, { check: 'daemon' });
  return warn(
    `The daemon is away; a stand-in for tasks over SSH works in its place, as process ${pid}.`,
    'Start the daemon: the stand-in makes way for it.',
    { check: 'daemon' },
  );
}

async function isUsable(directory: string): Promise<boolean> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    return (await stat(directory)).isDirectory();
  } catch {
    return false;
  }
}
