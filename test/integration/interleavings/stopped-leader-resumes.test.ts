import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countRuns, expectEndedOnce, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

test('a request that a frozen leader had sent reaches the node after the takeover, and starts nothing', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const request = first.proxy.breakAt('before', 'ccli.node.walnut.run');
  await fleet.submit({ task_id: 'late', prompt: script({ say: 'done', log }) });
  await request.reached;
  first.daemon.signal('SIGSTOP');
  const second = await fleet.coordinator();
  await fleet.leads(second);
  await expectEndedOnce(fleet, 'late', { status: 'completed', text: 'done' });

  let refused = false;
  fleet.connection.subscribe('_INBOX.>', {
    callback: (_error, message) => {
      refused ||= message.string().includes('"stale_epoch"');
    },
  });
  await fleet.connection.flush();
  request.resume('forward');
  await waitFor(() => refused, { what: 'the node refusing the old epoch' });
  first.daemon.signal('SIGCONT');
  await first.daemon.logged('leadership_lost');
  await fleet.submit({ task_id: 'next', prompt: 'next' });
  await expectEndedOnce(fleet, 'next', { status: 'completed', text: 'echo: next' });
  expect((await fleet.lease()).holder).toBe(second.id);
  expect(await countRuns(log)).toBe(1);
  expect((await fleet.statuses('late')).filter(status => status === 'assigned')).toHaveLength(1);
});

test('a state that a frozen leader had sent comes after its successor wrote one, and changes nothing', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  await fleet.node();
  const directory = await temporaryDirectory();
  const [log, gate] = [join(directory, 'log'), join(directory, 'open')];
  const write = first.proxy.breakAt('before', '$KV.ccli_tasks.fenced.state');
  await fleet.submit({ task_id: 'fenced', prompt: script({ say: 'done', log, gate }) });
  await write.reached;
  first.daemon.signal('SIGSTOP');
  const second = await fleet.coordinator();
  const { epoch } = await fleet.leads(second);
  await fleet.reaches('fenced', 'running');
  write.resume('forward');
  first.daemon.signal('SIGCONT');
  await first.daemon.logged('leadership_lost');
  await writeFile(gate, '');
  const state = await expectEndedOnce(fleet, 'fenced', { status: 'completed', text: 'done' });
  expect(state.attempts.map(attempt => attempt.epoch)).toEqual([epoch]);
  expect(await countRuns(log)).toBe(1);
});

test('a leader that was frozen with tasks running resumes as a follower and serves', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  await fleet.node();
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  for (const task_id of ['one', 'two', 'three'])
    await fleet.submit({ task_id, prompt: script({ say: task_id, gate, log: join(directory, task_id) }) });
  await fleet.reaches('two', 'running');
  first.daemon.signal('SIGSTOP');
  const second = await fleet.coordinator();
  await fleet.leads(second);
  await writeFile(gate, '');
  await fleet.ended('one');
  first.daemon.signal('SIGCONT');
  await first.daemon.logged('leadership_lost');
  for (const task_id of ['one', 'two', 'three']) {
    const state = await expectEndedOnce(fleet, task_id, { status: 'completed', text: task_id });
    expect(state.attempts).toHaveLength(1);
    expect(await countRuns(join(directory, task_id))).toBe(1);
  }
  expect((await fleet.lease()).holder).toBe(second.id);
});
