import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callOperation } from '../../support/fleet.ts';
import { expectEndedOnce, type Stage, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const BOUND = 1024 * 1024;
const CHUNK = 32 * 1024;
const STREAM = 'KV_ccli_tasks';

/** Takes room in the store, as tasks of others would, up to this share of it. */
async function fill(fleet: Stage, share: number): Promise<void> {
  const tasks = await fleet.bucket('tasks');
  for (let index = 0; ; index += 1) {
    const { bytes } = (await fleet.manager.streams.info(STREAM)).state;
    if (bytes >= share * BOUND) return;
    const size = Math.max(1, Math.min(CHUNK, Math.round(share * BOUND) - bytes - 200));
    try {
      await tasks.put(`filler.${share}-${index}`, new Uint8Array(size));
    } catch {
      // It is full to the last byte: what is left takes no record at all.
      if (size < 300) return;
      await tasks.put(`filler.${share}-${index}`, new Uint8Array(100)).catch(() => undefined);
      return;
    }
  }
}

const makeRoom = (fleet: Stage) => fleet.manager.streams.purge(STREAM, { filter: '$KV.ccli_tasks.filler.>' });

const refusal = (fleet: Stage): Promise<string> =>
  callOperation(fleet.connection, 'submit', { prompt: 'one more' }).then(
    () => 'accepted',
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  );

test('a store that fills up refuses what is new, ends what it accepted, and takes work again when there is room', async () => {
  const fleet = await stage();
  const coordinator = await fleet.coordinator({ settings: { store: { tasks: '1MiB' } } });
  await fleet.node();
  const directory = await temporaryDirectory();
  const gates = ['one', 'two', 'three', 'four'].map(task_id => ({ task_id, gate: join(directory, task_id) }));
  for (const { task_id, gate } of gates)
    await fleet.submit({ task_id, prompt: script({ say: task_id, gate }) });
  await fleet.reaches('one', 'running');
  await fleet.reaches('two', 'running');
  const open = async (task_id: string): Promise<void> => {
    await writeFile(join(directory, task_id), '');
  };

  // Past the mark, and not yet full: the rest belongs to what was accepted.
  await fill(fleet, 0.85);
  await waitFor(async () => (await refusal(fleet)) === 'store_full', { what: 'submits being refused' });
  await open('one');
  await expectEndedOnce(fleet, 'one', { status: 'completed', text: 'one' });
  await fleet.reaches('three', 'running');

  // Full to the last byte: reports come, and cannot be folded.
  await fill(fleet, 1);
  await open('two');
  await open('three');
  await coordinator.daemon.logged('report_not_folded');
  expect(await refusal(fleet)).toBe('store_full');
  expect((await fleet.state('two'))?.status).toBe('running');

  await makeRoom(fleet);
  await open('four');
  for (const task_id of ['two', 'three', 'four'])
    await expectEndedOnce(fleet, task_id, { status: 'completed', text: task_id });
  await waitFor(async () => (await refusal(fleet)) === 'accepted', { what: 'submits being accepted again' });
});

test('a node whose reports find the report stream full keeps them, and delivers them when there is room', async () => {
  const fleet = await stage();
  await fleet.coordinator({ settings: { store: { reports: '1MiB' } } });
  await fleet.node();
  const gate = join(await temporaryDirectory(), 'open');
  await fleet.submit({ task_id: 'kept', prompt: script({ say: 'kept', gate }) });
  await fleet.reaches('kept', 'running');
  // Reports of a version that nobody here knows are parked: they take room and stay.
  const parked = JSON.stringify({ v: 99, filler: 'x'.repeat(60 * 1024) });
  await waitFor(async () => {
    const reply = await fleet.connection.request('ccli.node.elsewhere.report', parked, { timeout: 2_000 });
    return reply.json<{ error?: unknown }>().error !== undefined;
  });
  await fleet.connection.request(
    'ccli.node.elsewhere.report',
    JSON.stringify({ v: 99, filler: 'x'.repeat(30_000) }),
  );
  await writeFile(gate, '');
  const refused = await refusal(fleet);
  expect(['store_full', 'accepted']).toContain(refused);
  await fleet.manager.streams.purge('CCLI_REPORTS', { filter: 'ccli.node.elsewhere.report' });
  await expectEndedOnce(fleet, 'kept', { status: 'completed', text: 'kept' });
});
