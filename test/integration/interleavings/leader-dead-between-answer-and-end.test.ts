import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countRuns, expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('a leader that dies after storing the answer and before the end leaves the end to its successor', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  const second = await fleet.coordinator();
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const result = first.proxy.breakAt('answered', '$KV.ccli_tasks.answered.result');
  await fleet.submit({ task_id: 'answered', prompt: script({ say: 'done', log }) });
  await result.reached;
  expect((await fleet.result('answered'))?.text).toEqual({ inline: 'done' });
  expect(await fleet.statuses('answered')).not.toContain('completed');
  await killed(first.daemon);
  result.resume('disconnect');

  await fleet.leads(second);
  await expectEndedOnce(fleet, 'answered', { status: 'completed', text: 'done' });
  expect(await countRuns(log)).toBe(1);
});
