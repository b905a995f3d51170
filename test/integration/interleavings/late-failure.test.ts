import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectEndedOnce, shellAgent, stage, until } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

test('the failure of an attempt that was given up changes nothing for the one that took over', async () => {
  const fleet = await stage();
  await fleet.coordinator({ settings: { lost_after: '1s' } });
  const directory = await temporaryDirectory();
  const [fails, answers] = [join(directory, 'fails'), join(directory, 'answers')];
  const walnut = await fleet.node({ agents: [shellAgent('walnut-sh', `${until(fails)}; exit 3`)] });
  // The failure alone would end the task, if it were the current attempt's: there are only two.
  await fleet.submit({ task_id: 'late', prompt: 'whatever', max_attempts: 2 });
  await fleet.reaches('late', 'running');
  walnut.proxy.partition();
  await fleet.node({
    node: 'ironwood',
    agents: [shellAgent('ironwood-sh', `${until(answers)}; printf 'the second answer'`)],
  });
  await waitFor(async () => (await fleet.state('late'))?.attempts[1]?.started === true);
  await writeFile(fails, '');
  await walnut.daemon.logged('attempt_finished');
  const reported = new Promise<void>(resolve => {
    fleet.connection.subscribe('ccli.node.walnut.report', {
      callback: (_error, message) => {
        if (message.string().includes('"finished"')) resolve();
      },
    });
  });
  await fleet.connection.flush();
  walnut.proxy.heal('reset');
  await reported;
  await fleet.reportsFolded();
  expect((await fleet.state('late'))?.status).toBe('running');
  await writeFile(answers, '');
  const state = await expectEndedOnce(fleet, 'late', { status: 'completed', text: 'the second answer' });
  expect(state.attempts.map(attempt => attempt.error?.code)).toEqual(['node_lost', undefined]);
});
