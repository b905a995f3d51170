import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countRuns, expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('a leader that dies after `assigned` and before the request leaves an attempt that its successor asks for', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  const second = await fleet.coordinator();
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const request = first.proxy.breakAt('before', 'ccli.node.walnut.run');
  await fleet.submit({ task_id: 'assigned', prompt: script({ say: 'done', log }) });
  await request.reached;
  expect(await fleet.statuses('assigned')).toEqual(['assigned']);
  await killed(first.daemon);
  request.resume('disconnect');

  const { epoch } = await fleet.leads(second);
  const state = await expectEndedOnce(fleet, 'assigned', { status: 'completed', text: 'done' });
  // The attempt that was assigned is the one that ran: nobody had to give it up.
  expect(state.attempts).toHaveLength(1);
  expect(state.attempts[0]?.epoch).toBeLessThan(epoch);
  expect(await countRuns(log)).toBe(1);
});
