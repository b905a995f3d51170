import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { follow } from '../../../node-agent/process/follow.ts';
import { groupRuns, signalGroup } from '../../../node-agent/process/group.ts';
import { residentBytes } from '../../../node-agent/process/memory.ts';
import { spawnTool } from '../../../node-agent/process/spawn.ts';
import { root } from '../../support/built.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const env = { PATH: process.env['PATH'] ?? '' };
const node = (...args: string[]) => ({ file: process.execPath, args, cwd: root, env });

it('a tool that is asked politely may end by itself', async () => {
  const code =
    "process.on('SIGTERM', () => process.exit(5)); process.stdout.write('up'); setInterval(() => {}, 1000)";
  const tool = await spawnTool(node('-e', code));
  for await (const _ of tool.stdout) {
    expect(groupRuns(tool.pid)).toBe(true);
    expect(residentBytes(tool.pid)).toBeGreaterThan(1024 * 1024);
    await tool.stop();
  }
  expect(await tool.ended).toEqual({ code: 5, signal: null });
  expect(groupRuns(tool.pid)).toBe(false);
  expect(residentBytes(tool.pid)).toBeUndefined();
  expect(signalGroup(tool.pid, 'SIGTERM')).toBe(false);
  // Stopping what has gone is nothing.
  await tool.stop();
});

it('a tool that ignores the polite signal is killed with its whole group after the grace', async () => {
  const file = join(await temporaryDirectory(), 'pids');
  const tool = await spawnTool(node(join(root, 'test/support/tools/cli.mjs'), 'hang', file));
  const pids = await readPids(file);
  await tool.stop(50);
  expect(await tool.ended).toEqual({ code: null, signal: 'SIGKILL' });
  expect(pids.filter(runs)).toEqual([]);
});

it('what a tool has printed is there, also when it has ended before anybody reads', async () => {
  const tool = await spawnTool({ ...node(), file: '/usr/bin/printf', args: ['all of it'] });
  await tool.ended;
  let text = '';
  for await (const bytes of tool.stdout) text += String(bytes);
  expect(text).toBe('all of it');
});

it('only the end of a long stderr is kept', async () => {
  const code = "process.stderr.write('x'.repeat(1_000_000) + 'the end')";
  const tool = await spawnTool(node('-e', code));
  await tool.ended;
  await waitFor(() => tool.stderrTail().endsWith('the end'));
  expect(tool.stderrTail().length).toBeLessThan(100_000);
});

it('what goes through a file is all there, even when the writer leaves at once', async () => {
  const stdout_file = join(await temporaryDirectory(), 'out');
  const code = "process.stdout.write('y'.repeat(20_000_000)); process.exit(0)";
  const tool = await spawnTool({ ...node('-e', code), stdout_file });
  let bytes = 0;
  for await (const part of tool.stdout) bytes += part instanceof Uint8Array ? part.byteLength : 0;
  expect(bytes).toBe(20_000_000);
});

it('a file is followed while it grows', async () => {
  const file = join(await temporaryDirectory(), 'log');
  await writeFile(file, 'a');
  let finish = (): void => undefined;
  const done = new Promise<void>(resolve => {
    finish = resolve;
  });
  const seen: string[] = [];
  for await (const part of follow(file, done)) {
    seen.push(Buffer.from(part).toString());
    if (seen.length < 3) await writeFile(file, 'b', { flag: 'a' });
    else finish();
  }
  expect(seen).toEqual(['a', 'b', 'b']);
});
