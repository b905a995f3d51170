import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectEndedOnce, shellAgent, stage, until } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

test('the success of an attempt that was given up ends the task, and stops the attempt that took over', async () => {
  const fleet = await stage();
  await fleet.coordinator({ settings: { lost_after: '1s' } });
  const gate = join(await temporaryDirectory(), 'open');
  const walnut = await fleet.node({
    agents: [shellAgent('walnut-sh', `${until(gate)}; printf 'the first answer'`)],
  });
  await fleet.submit({ task_id: 'late', prompt: 'whatever' });
  await fleet.reaches('late', 'running');
  walnut.proxy.partition();
  const ironwood = await fleet.node({
    node: 'ironwood',
    agents: [shellAgent('ironwood-sh', 'exec sleep 600')],
  });
  await waitFor(async () => (await fleet.state('late'))?.attempts[1]?.started === true);
  await writeFile(gate, '');
  await walnut.daemon.logged('attempt_finished');
  expect(await fleet.statuses('late')).not.toContain('completed');
  walnut.proxy.heal('reset');

  const state = await expectEndedOnce(fleet, 'late', { status: 'completed', text: 'the first answer' });
  expect(state).toMatchObject({ result_attempt: 1 });
  expect(state.attempts.map(attempt => attempt.error?.code)).toEqual(['node_lost', undefined]);
  await ironwood.daemon.logged('attempt_finished');
});
