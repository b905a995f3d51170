import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { backUp } from '../../../coordinator/backup/backup.ts';
import { restore } from '../../../coordinator/backup/restore.ts';
import { decode } from '../../../protocol/codec.ts';
import { names as namesOf } from '../../../protocol/subjects.ts';
import { isTerminal, TaskStateSchema } from '../../../protocol/task.ts';
import { callOperation, scriptedAgent, testCoordinator, testFleet, testNode } from '../../support/fleet.ts';
import { testNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const names = namesOf();
const quiet = { names, signal: new AbortController().signal, onStage: () => undefined };
const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;
const LONG = 'a long answer. '.repeat(40_000);

/** How often a task's state has become a terminal one. */
async function ends(connection: NatsConnection, task_id: string): Promise<number> {
  const tasks = await new Kvm(jetstream(connection)).open(names.tasksBucket);
  let count = 0;
  for await (const entry of await tasks.history({ key: `${task_id}.state` }))
    if (isTerminal(decode(TaskStateSchema, entry.value).status)) count += 1;
  return count;
}

test('a fleet lost with all it had goes on from its backup: what was done is there, the rest ends once', async () => {
  const fleet = await testFleet();
  const state_dir = await temporaryDirectory();
  const gate = join(await temporaryDirectory(), 'open');
  const agents = [scriptedAgent('walnut-echo', { max_concurrent: 1 })];
  const node = { node: 'walnut', agents, state_dir, settings: { drain_timeout: '200ms' } };
  const walnut = await fleet.startNode(node);
  await fleet.agentReady('walnut-echo');
  const short = await fleet.run({ prompt: 'short' });
  const long = await fleet.run({ prompt: script({ say: 'a long answer. ', repeat: 40_000 }) });
  const running = await fleet.call('submit', { prompt: script({ say: 'ran', gate }) });
  await fleet.reaches(running.task_id, 'running');
  const queued = await fleet.call('submit', { prompt: 'waited' });
  const status = await fleet.call('status', {});

  const directory = join(await temporaryDirectory(), 'backup');
  const manifest = await backUp({ ...quiet, connection: fleet.connection, directory });
  expect(manifest.fleet_id).toBe(status.fleet_id);
  // After the backup: lost with the rest.
  const later = await fleet.call('submit', { prompt: 'too late' });
  await walnut.stop();
  await fleet.coordinator.stop();

  const nats = await testNats();
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const { fleet_id } = await restore({ ...quiet, connection, directory });
  await testCoordinator(nats);
  await testNode(nats, node);
  await writeFile(gate, '');

  const get = (task_id: string) => callOperation(connection, 'get', { task_id });
  const completed = (task_id: string) =>
    waitFor(
      async () => {
        const view = await get(task_id);
        return view.status === 'completed' && view;
      },
      { what: `the end of ${task_id}` },
    );
  await waitFor(async () => (await callOperation(connection, 'status', {})).fleet_id === fleet_id);
  // The first answer may have come before the server's own stamp was known.
  expect(await get(short.task_id)).toEqual({ ...short, created_at_ms: expect.any(Number) as number });
  expect((await get(long.task_id)).response_ref).toEqual(long.response_ref);
  expect(long.response_ref?.size_bytes).toBe(LONG.length);
  const slice = await callOperation(connection, 'download', { task_id: long.task_id, index: 0 });
  expect(LONG.startsWith(Buffer.from(slice.data, 'base64').toString())).toBe(true);
  expect((await completed(running.task_id)).response).toBe('ran');
  expect((await completed(queued.task_id)).response).toBe('echo: waited');
  for (const { task_id } of [short, long, running, queued]) expect(await ends(connection, task_id)).toBe(1);
  await expect(get(later.task_id)).rejects.toMatchObject({ code: 'task_unknown' });
});

test('a coordinator refuses what a restore that broke off has left', async () => {
  const fleet = await testFleet();
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
  await fleet.agentReady('walnut-echo');
  await fleet.run({ prompt: 'done' });
  const directory = join(await temporaryDirectory(), 'backup');
  await backUp({ ...quiet, connection: fleet.connection, directory });

  const nats = await testNats();
  const connection = await connect({ servers: nats.url });
  const broken = restore({
    ...quiet,
    connection,
    directory,
    // As a kill does: from here on nothing is written any more, and nothing taken back.
    onStage: text => {
      if (text.includes('blobs')) void connection.close();
    },
  });
  await expect(broken).rejects.toThrow();
  await expect(testCoordinator(nats)).rejects.toMatchObject({ code: 'store_damaged' });

  const again = await connect({ servers: nats.url });
  onTestFinished(() => again.close());
  await restore({ ...quiet, connection: again, directory });
  await testCoordinator(nats);
  const { tasks } = await waitFor(() => callOperation(again, 'list', {}), { what: 'the coordinator' });
  expect(tasks).toHaveLength(1);
});
