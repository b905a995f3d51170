import { jetstream } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { callOperation } from '../../support/fleet.ts';
import { expectEndedOnce, killed, type Stage, stage } from '../../support/stage.ts';
import { waitFor } from '../../support/wait.ts';

interface Heard {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** All reports that nodes send from now on, as they are; ends when asked for them. */
function record({ connection }: Stage): () => Heard[] {
  const heard: Heard[] = [];
  const subscription = connection.subscribe('ccli.node.*.report', {
    callback: (_error, { subject, data }) => {
      heard.push({ subject, data });
    },
  });
  return () => {
    subscription.unsubscribe();
    return heard;
  };
}

/** Once more, and without the id by which the stream would know them again. */
async function replay(fleet: Stage, reports: readonly Heard[]): Promise<void> {
  for (const { subject, data } of reports) await jetstream(fleet.connection).publish(subject, data);
  await fleet.reportsFolded();
}

const keys = async (fleet: Stage): Promise<string[]> => {
  const found: string[] = [];
  for await (const key of await (await fleet.bucket('tasks')).keys()) found.push(key);
  return found;
};

const purge = async (fleet: Stage, task_id: string): Promise<void> => {
  for (const kind of ['request', 'result', 'cancel', 'state'])
    await fleet.manager.streams.purge('KV_ccli_tasks', { filter: `$KV.ccli_tasks.${task_id}.${kind}` });
};

test.each(['the coordinator that folded them', 'another coordinator'])(
  'reports of a purged task that come again to %s create nothing',
  async who => {
    const fleet = await stage();
    const coordinator = await fleet.coordinator();
    await fleet.node();
    const recorded = record(fleet);
    await fleet.connection.flush();
    await fleet.submit({ task_id: 'gone', prompt: 'x' });
    await fleet.submit({ task_id: 'kept', prompt: 'x' });
    await expectEndedOnce(fleet, 'gone', { status: 'completed', text: 'echo: x' });
    await expectEndedOnce(fleet, 'kept', { status: 'completed', text: 'echo: x' });
    const before = await fleet.statuses('kept');
    await purge(fleet, 'gone');
    if (who === 'another coordinator') {
      await killed(coordinator.daemon);
      await fleet.coordinator();
    }
    const reports = recorded();
    // Of each task: that it started, and how it ended.
    expect(reports).toHaveLength(4);
    await replay(fleet, reports);
    expect((await keys(fleet)).filter(key => key.startsWith('gone.'))).toEqual([]);
    expect(await fleet.statuses('kept')).toEqual(before);
    if (who === 'another coordinator') {
      await expect(callOperation(fleet.connection, 'get', { task_id: 'gone' })).rejects.toMatchObject({
        code: 'task_unknown',
      });
    }
  },
);

test('reports of a task that the history had no more room for create nothing when they come again', async () => {
  const fleet = await stage();
  await fleet.coordinator({ settings: { history: { max_tasks: 1, min_age: '1ms' } } });
  await fleet.node();
  const recorded = record(fleet);
  await fleet.connection.flush();
  await fleet.submit({ task_id: 'gone', prompt: 'x' });
  await fleet.ended('gone');
  await fleet.submit({ task_id: 'kept', prompt: 'x' });
  const ofTask = async (task_id: string): Promise<string[]> =>
    (await keys(fleet)).filter(key => key.startsWith(`${task_id}.`));
  await waitFor(async () => (await ofTask('gone')).length === 0, { what: 'the older task being purged' });
  await fleet.ended('kept');
  await fleet.reportsFolded();
  await replay(fleet, recorded());
  expect(await ofTask('gone')).toEqual([]);
  expect((await ofTask('kept')).sort()).toEqual(['kept.request', 'kept.result', 'kept.state']);
  await expect(callOperation(fleet.connection, 'get', { task_id: 'gone' })).rejects.toMatchObject({
    code: 'task_unknown',
  });
});
