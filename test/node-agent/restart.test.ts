import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { startDaemon } from '../support/daemon.ts';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { readPids, runs } from '../support/running.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('what a killed daemon left running is gone before its task starts again, even with a directory it shares', async () => {
  const fleet = await testFleet();
  const directory = await temporaryDirectory();
  const pidFile = join(directory, 'pids');
  const command = join(directory, 'tool.sh');
  // The first run never ends; the second one says whether the first still runs: a dead one has no command line.
  await writeFile(
    command,
    `#!/bin/sh
cat >/dev/null
if [ -f ${pidFile} ]; then grep -qs sleep "/proc/$(cat ${pidFile})/cmdline" && echo two || echo one; exit; fi
echo $$ > ${pidFile}
exec sleep 600
`,
    { mode: 0o755 },
  );
  const file = join(directory, 'node-agent.yaml');
  const agents = [scriptedAgent('walnut-echo', { command, cwd: directory })];
  await writeFile(file, stringify({ node: 'walnut', state_dir: join(directory, 'state'), agents }));
  const start = () =>
    startDaemon({
      program: 'node-agent',
      args: ['--config', file],
      environment: { CCLI_NATS_URL: fleet.nats.url },
    });
  const killed = start();
  await fleet.agentReady('walnut-echo');
  const { task_id } = await fleet.call('submit', { prompt: 'hello' });
  const [pid = 0] = await readPids(pidFile);
  killed.signal('SIGKILL');
  await killed.ended;
  expect(runs(pid)).toBe(true);
  const next = start();
  const task = await fleet.reaches(task_id, 'completed');
  expect(task.response?.trim()).toBe('one');
  expect(task.attempts.map(({ error }) => error?.code)).toEqual(['agent_restarted', undefined]);
  expect(await readFile(pidFile, 'utf8')).toBe(`${pid}\n`);
  expect(runs(pid)).toBe(false);
  const events = next.log();
  expect(events.indexOf('leftovers_removed')).toBeGreaterThan(-1);
  expect(events.indexOf('leftovers_removed')).toBeLessThan(events.indexOf('attempt_cut_off'));
});
