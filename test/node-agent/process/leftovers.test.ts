import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeGeminiHome } from '../../../node-agent/process/home.ts';
import { sweepLeftovers } from '../../../node-agent/process/leftovers.ts';
import { spawnTool } from '../../../node-agent/process/spawn.ts';
import { makeWorkspace } from '../../../node-agent/process/workspace.ts';
import { root } from '../../support/built.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const hanging = join(root, 'test/support/tools/cli.mjs');

it('tools and directories of an earlier life are gone, those of other agents stay', async () => {
  const state_dir = await temporaryDirectory();
  const options = { environment: {}, state_dir, policy: 'deny', node_version: 'v20.0.0' } as const;
  const home = await makeGeminiHome({
    agent: { id: 'one', env: {}, pass_env: [], home: state_dir },
    ...options,
  });
  const place = await makeWorkspace({ id: 'one' }, state_dir);
  const other = await makeWorkspace({ id: 'one-two' }, state_dir);
  const start = async (cwd: string, env: Record<string, string>) => {
    const file = join(cwd, 'pids');
    const tool = await spawnTool({ file: process.execPath, args: [hanging, 'hang', file], cwd, env });
    onTestFinished(() => tool.stop(0));
    return readPids(file);
  };
  const elsewhere = join(state_dir, 'elsewhere');
  await mkdir(elsewhere);
  const pids = [
    ...(await start(place.path, {})),
    ...(await start(elsewhere, { GEMINI_CLI_HOME: home.path })),
  ];
  expect(pids.filter(runs)).toHaveLength(4);
  expect(await sweepLeftovers('one', state_dir)).toEqual({ stopped: 2, removed: 2 });
  expect(pids.filter(runs)).toEqual([]);
  expect(await readdir(join(state_dir, 'work'))).toEqual([other.path.split('/').at(-1)]);
  expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
});

it('where nothing was left, there is nothing to do', async () => {
  expect(await sweepLeftovers('one', await temporaryDirectory())).toEqual({ stopped: 0, removed: 0 });
});
