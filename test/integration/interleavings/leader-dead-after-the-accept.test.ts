import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countRuns, expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

test('a leader that dies before it learns that the node has accepted leaves an attempt that runs once', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  const second = await fleet.coordinator();
  await fleet.node();
  const directory = await temporaryDirectory();
  const [log, gate] = [join(directory, 'log'), join(directory, 'open')];
  const accept = first.proxy.breakAt('answered', 'ccli.node.walnut.run');
  await fleet.submit({ task_id: 'accepted', prompt: script({ say: 'done', log, gate }) });
  await accept.reached;
  await killed(first.daemon);
  accept.resume('disconnect');

  await fleet.leads(second);
  await waitFor(async () => (await countRuns(log)) === 1);
  await writeFile(gate, '');
  const state = await expectEndedOnce(fleet, 'accepted', { status: 'completed', text: 'done' });
  expect(state.attempts).toHaveLength(1);
  expect(await countRuns(log)).toBe(1);
});
