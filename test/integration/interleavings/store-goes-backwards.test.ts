import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callOperation } from '../../support/fleet.ts';
import { type DirectoryNats, natsIn } from '../../support/nats-directory.ts';
import { expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

/** The store as it was at some moment, to be put back later. */
async function keepStore(nats: DirectoryNats, directory: string): Promise<string> {
  const copy = join(await temporaryDirectory(), 'jetstream');
  await nats.stop();
  await cp(join(directory, 'jetstream'), copy, { recursive: true });
  return copy;
}

async function putBack(nats: DirectoryNats, directory: string, copy: string): Promise<DirectoryNats> {
  await nats.stop();
  await rm(join(directory, 'jetstream'), { recursive: true });
  await cp(copy, join(directory, 'jetstream'), { recursive: true });
  return await natsIn(directory, nats.port);
}

test('when an older copy of the store is put back, coordinators that run believe the store, and go on', async () => {
  const directory = await temporaryDirectory();
  const nats = await natsIn(directory);
  const fleet = await stage(nats);
  await fleet.coordinator();
  await fleet.coordinator();
  const node = await fleet.node();
  const gate = join(await temporaryDirectory(), 'open');
  await fleet.submit({ task_id: 'kept', prompt: 'kept' });
  await fleet.ended('kept');
  const copy = await keepStore(nats, directory);
  const between = await natsIn(directory, nats.port);
  await fleet.submit({ task_id: 'undone', prompt: 'undone' });
  await fleet.ended('undone');
  await fleet.submit({ task_id: 'unheard-of', prompt: script({ say: 'x', gate }) });
  await fleet.reaches('unheard-of', 'running');
  await putBack(between, directory, copy);

  const ids = async (): Promise<string[]> =>
    (await callOperation(fleet.connection, 'list', {})).tasks.map(task => task.task_id);
  // Of both coordinators: whoever is asked.
  for (let round = 0; round < 10; round += 1)
    await waitFor(async () => (await ids()).join() === 'kept', {
      what: 'only what the store holds being listed',
    });
  await expect(callOperation(fleet.connection, 'get', { task_id: 'undone' })).rejects.toMatchObject({
    code: 'task_unknown',
  });
  expect(await callOperation(fleet.connection, 'get', { task_id: 'kept' })).toMatchObject({
    status: 'completed',
    response: 'echo: kept',
  });
  await fleet.submit({ task_id: 'new', prompt: 'new' });
  await expectEndedOnce(fleet, 'new', { status: 'completed', text: 'echo: new' });
  // A node may still run what the store has never heard of: its report creates nothing.
  await writeFile(gate, '');
  await node.daemon.logged('attempt_finished');
  await fleet.reportsFolded();
  expect(await fleet.state('unheard-of')).toBeUndefined();
  expect(await fleet.result('unheard-of')).toBeUndefined();
});

test('a store that has forgotten the last takeovers does not stop the fleet: the leader takes an epoch the nodes obey', async () => {
  const directory = await temporaryDirectory();
  const nats = await natsIn(directory);
  const fleet = await stage(nats);
  const first = await fleet.coordinator();
  await fleet.leads(first);
  await fleet.node();
  await fleet.submit({ task_id: 'kept', prompt: 'kept' });
  await fleet.ended('kept');
  const copy = await keepStore(nats, directory);
  const between = await natsIn(directory, nats.port);
  await killed(first.daemon);
  for (const task_id of ['second', 'third', 'fourth']) {
    const next = await fleet.coordinator();
    await fleet.leads(next);
    await fleet.submit({ task_id, prompt: task_id });
    await fleet.ended(task_id);
    await killed(next.daemon);
  }
  const seen = (await fleet.lease()).epoch;
  await putBack(between, directory, copy);
  await waitFor(async () => (await fleet.lease()).epoch < seen);

  await fleet.coordinator();
  await fleet.submit({ task_id: 'new', prompt: 'new' });
  await expectEndedOnce(fleet, 'new', { status: 'completed', text: 'echo: new' });
  const { epoch } = await fleet.lease();
  expect(epoch).toBeGreaterThan(seen);
});
