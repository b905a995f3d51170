import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeGeminiHome } from '../../../node-agent/process/home.ts';
import { leftoverMark } from '../../../node-agent/process/ledger.ts';
import { sweepLeftovers } from '../../../node-agent/process/leftovers.ts';
import { spawnTool } from '../../../node-agent/process/spawn.ts';
import { makeWorkspace } from '../../../node-agent/process/workspace.ts';
import { root } from '../../support/built.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const hanging = join(root, 'test/support/tools/cli.mjs');

it('tools and directories of an earlier life are gone, those of other agents and what merely works there stay', async () => {
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
    ...(await start(place.path, leftoverMark('one', state_dir))),
    ...(await start(elsewhere, leftoverMark('one', state_dir))),
  ];
  const inside = join(place.path, 'inside');
  await mkdir(inside);
  const unmarked = await start(inside, { GEMINI_CLI_HOME: home.path });
  expect([...pids, ...unmarked].filter(runs)).toHaveLength(6);
  expect(await sweepLeftovers('one', state_dir)).toEqual({ stopped: 2, not_killed: [], removed: 2 });
  expect(unmarked.filter(runs)).toHaveLength(2);
  expect(pids.filter(runs)).toEqual([]);
  expect(await readdir(join(state_dir, 'work'))).toEqual([other.path.split('/').at(-1)]);
  expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
});

it('a tool that works in a directory of its own choice is known by its mark, and so is what it has let go', async () => {
  const state_dir = await temporaryDirectory();
  const elsewhere = await temporaryDirectory();
  const start = async (agent_id: string): Promise<number[]> => {
    const file = join(elsewhere, agent_id);
    const code = `const { pid } = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'],
      { detached: true, stdio: 'ignore' });
      require('node:fs').writeFileSync(process.argv[1], process.pid + ' ' + pid + '\\n'); setInterval(() => {}, 1000)`;
    const tool = await spawnTool({
      file: process.execPath,
      args: ['-e', code, file],
      cwd: elsewhere,
      env: leftoverMark(agent_id, state_dir),
    });
    const pids = await readPids(file);
    onTestFinished(async () => {
      await tool.stop(0);
      for (const pid of pids.filter(runs)) process.kill(pid, 'SIGKILL');
    });
    return pids;
  };
  const own = await start('one');
  const others = await start('one-two');
  expect(own.filter(runs)).toHaveLength(2);
  expect(await sweepLeftovers('one', state_dir)).toEqual({ stopped: 2, not_killed: [], removed: 0 });
  expect(own.filter(runs)).toEqual([]);
  expect(others.filter(runs)).toHaveLength(2);
});

it('where nothing was left, there is nothing to do', async () => {
  expect(await sweepLeftovers('one', await temporaryDirectory())).toEqual({
    stopped: 0,
    not_killed: [],
    removed: 0,
  });
});
