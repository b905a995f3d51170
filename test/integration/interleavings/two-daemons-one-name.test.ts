import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callOperation } from '../../support/fleet.ts';
import { countRuns, expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

test('a second daemon under the name of one that is just being asked takes nothing meant for the other', async () => {
  const fleet = await stage();
  const coordinator = await fleet.coordinator();
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const request = coordinator.proxy.breakAt('before', 'ccli.node.walnut.run');
  await fleet.submit({ task_id: 'asked', prompt: script({ say: 'once', log }) });
  await request.reached;
  const twin = await fleet.node();
  request.resume();
  await waitFor(
    async () => (await callOperation(fleet.connection, 'nodes', {})).nodes[0]?.contested === true,
  );

  await fleet.submit({ task_id: 'waits', prompt: 'hello' });
  await waitFor(async () =>
    (await callOperation(fleet.connection, 'get', { task_id: 'waits' })).waiting_for?.includes(
      'Two daemons call themselves walnut',
    ),
  );
  expect(await fleet.state('waits')).toBeUndefined();
  await killed(twin.daemon);
  const state = await expectEndedOnce(fleet, 'asked', { status: 'completed', text: 'once' });
  expect(state.attempts).toHaveLength(1);
  expect(await countRuns(log)).toBe(1);
  await expectEndedOnce(fleet, 'waits', { status: 'completed', text: 'echo: hello' });
});

test('a frozen daemon that resumes beside the one that replaced it takes no work, and loses none', async () => {
  const fleet = await stage();
  await fleet.coordinator({ settings: { lost_after: '1s' } });
  const first = await fleet.node();
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  await fleet.submit({ task_id: 'before', prompt: script({ say: 'from either', gate }) });
  await fleet.reaches('before', 'running');
  first.daemon.signal('SIGSTOP');
  // Somebody thinks that the host is dead and starts another one under its name, with a state of its own.
  const second = await fleet.node();
  first.daemon.signal('SIGCONT');
  await waitFor(
    async () => (await callOperation(fleet.connection, 'nodes', {})).nodes[0]?.contested === true,
  );
  await fleet.submit({ task_id: 'after', prompt: 'hello' });
  await killed(first.daemon);
  await waitFor(
    async () => (await callOperation(fleet.connection, 'nodes', {})).nodes[0]?.contested === false,
  );
  await expectEndedOnce(fleet, 'after', { status: 'completed', text: 'echo: hello' });
  await callOperation(fleet.connection, 'cancel', { task_id: 'before' });
  await expectEndedOnce(fleet, 'before', { status: 'cancelled' });
  expect(second.daemon.log()).not.toContain('"level":50');
  // What the killed daemon left running would be ended by its next life, which it does not have here.
  await writeFile(gate, '');
});
