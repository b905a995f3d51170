import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { scriptedAgent, type TestFleet, testFleet, testNode } from '../../support/fleet.ts';
import { script } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

/** Of four bytes: such an answer travels in slices. */
const REPEAT = 100_000;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const isGone = async ({ call }: TestFleet, task_id: string): Promise<boolean> => {
  const { tasks } = await call('list', {});
  return tasks.every(task => task.task_id !== task_id);
};

/** Without a second attempt, and so without a second chance. */
const again = { task_id: 'again', max_attempts: 1 } as const;

/** A fleet in which `again` has run, saying this, and was purged. */
async function purgedOnce(what: Record<string, unknown>) {
  const fleet = await testFleet({ history: { max_age: 3_600_000, max_tasks: 1, min_age: 1 } });
  const state_dir = await temporaryDirectory();
  const agents = [scriptedAgent('walnut-echo')];
  const node = await fleet.startNode({ agents, state_dir });
  await fleet.agentReady('walnut-echo');
  expect(await fleet.run({ ...again, prompt: script(what) })).toMatchObject({ status: 'completed' });
  await fleet.run({ task_id: 'other', prompt: 'x' });
  await waitFor(() => isGone(fleet, 'again'), { what: 'the first task being purged' });
  return {
    fleet,
    restartNode: async (): Promise<void> => {
      await node.stop();
      await testNode(fleet.nats, { agents, state_dir });
      await fleet.agentReady('walnut-echo');
    },
  };
}

test.each(['remembers', 'finds on its disk, in a later life,'])(
  'an id that is used again once its task was purged runs the new task on the node that %s the first',
  async how => {
    const { fleet, restartNode } = await purgedOnce({ say: 'first' });
    if (how !== 'remembers') await restartNode();
    expect(await fleet.run({ ...again, prompt: script({ say: 'second' }) })).toMatchObject({
      status: 'completed',
      attempts: [{ attempt: 1 }],
      response: 'second',
    });
  },
);

test('an id that is used again gets the whole of a long answer, although the first was as long', async () => {
  const { fleet } = await purgedOnce({ say: 'one ', repeat: REPEAT });
  const view = await fleet.run({ ...again, prompt: script({ say: 'two ', repeat: REPEAT }) });
  expect(view).toMatchObject({ status: 'completed', attempts: [{ attempt: 1 }] });
  const whole = sha256('two '.repeat(REPEAT));
  const ref = view.response_ref ?? { slices: 0 };
  expect(ref).toMatchObject({ sha256: whole });
  const slices: string[] = [];
  for (let index = 0; index < ref.slices; index += 1)
    slices.push((await fleet.call('download', { task_id: 'again', index })).data);
  expect(sha256(slices.map(data => Buffer.from(data, 'base64').toString()).join(''))).toBe(whole);
});
