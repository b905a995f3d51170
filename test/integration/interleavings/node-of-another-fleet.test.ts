import { expect, test } from 'vitest';
import { RunReplySchema, RunRequestSchema } from '../../../protocol/control.ts';
import { requestJson } from '../../../protocol/daemon/request.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { scriptedAgent, testFleet } from '../../support/fleet.ts';
import { waitFor } from '../../support/wait.ts';

test('a node that has obeyed another fleet costs its own fleet that node, and not its leader', async () => {
  const fleet = await testFleet({ lease: 500 });
  // Warm or not, its priority makes it the first choice.
  const walnut = await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { priority: 5 })] });
  await fleet.agentReady('walnut-echo');
  expect((await fleet.run({ prompt: 'before' })).node).toBe('walnut');
  const reply = await requestJson(fleet.connection, {
    subject: 'ccli.node.walnut.run',
    request: RunRequestSchema,
    reply: RunReplySchema,
    value: {
      v: 1,
      instance_id: walnut.instance_id,
      fleet_id: 'another-fleet',
      epoch: 40,
      task_id: 'theirs',
      attempt: 1,
      agent_id: 'unknown-here',
      prompt: { inline: 'x' },
    },
    timeout_ms: 5_000,
    onNobody: () => new CcliError('node_lost'),
  });
  expect(reply).toMatchObject({ answer: 'refused', error: { code: 'agent_unknown' } });

  const { epoch } = await fleet.call('status', {});
  const { task_id } = await fleet.call('submit', { prompt: 'after', max_attempts: 1 });
  await waitFor(async () => {
    const [last] = (await fleet.call('get', { task_id })).attempts.slice(-1);
    return last?.error?.code === 'stale_epoch';
  });
  await fleet.startNode({ node: 'ironwood', agents: [scriptedAgent('ironwood-echo')] });
  expect(await fleet.reaches(task_id, 'completed')).toMatchObject({
    node: 'ironwood',
    response: 'echo: after',
  });
  expect(await fleet.call('status', {})).toMatchObject({ role: 'leader', epoch });
});
