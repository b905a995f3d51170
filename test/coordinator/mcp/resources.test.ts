import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scriptedAgent } from '../../support/fleet.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { connectTo, mcpFleet, WAYS } from './support/places.ts';

test.each(WAYS)('agents and tasks can be read over $transport by the $kind client', async way => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, way);
  expect(await client.resources()).toEqual(['ccli://agents']);
  expect(await client.templates()).toEqual(['ccli://tasks/{task_id}', 'ccli://tasks/{task_id}/response']);
  expect(JSON.parse(await client.read('ccli://agents'))).toMatchObject({
    agents: [{ agent_id: 'walnut-echo', health: 'ready' }, { agent_id: 'walnut-second' }],
  });
  await fleet.run({ task_id: 'first-task', prompt: 'hello' });
  expect(JSON.parse(await client.read('ccli://tasks/first-task'))).toMatchObject({
    task_id: 'first-task',
    response: 'echo: hello',
  });
  expect(await client.read('ccli://tasks/first-task/response')).toBe('echo: hello');
  expect(await client.complete('ccli://tasks/{task_id}', 'fir')).toEqual(['first-task']);
  await expect(client.read('ccli://tasks/nobody')).rejects.toThrow(/nobody/);
  await expect(client.read('ccli://elsewhere')).rejects.toThrow(/not found/i);
});

test.each(WAYS)(
  'who subscribes to a task hears of its changes over $transport in the $kind client',
  async way => {
    const fleet = await mcpFleet();
    const client = await connectTo(fleet, way);
    const gate = join(await temporaryDirectory(), 'open');
    const task_id = 'watched';
    await fleet.call('submit', { task_id, prompt: `#${JSON.stringify({ gate, say: 'done' })}` });
    await fleet.reaches(task_id, 'running');
    const uri = `ccli://tasks/${task_id}`;
    let updates = 0;
    const stop = await client.watch(uri, () => {
      updates += 1;
    });
    await writeFile(gate, '');
    await waitFor(() => updates > 0 && true, { what: 'an update' });
    await waitFor(async () => (await client.read(uri)).includes('"status":"completed"') && true);
    await stop();
  },
);

test.each(WAYS)(
  'who subscribes to the agents hears of a new one over $transport in the $kind client',
  async way => {
    const fleet = await mcpFleet();
    const client = await connectTo(fleet, way);
    let updates = 0;
    const stop = await client.watch('ccli://agents', () => {
      updates += 1;
    });
    await fleet.startNode({ node: 'ironwood', agents: [scriptedAgent('ironwood-echo')] });
    await waitFor(() => updates > 0 && true, { what: 'an update' });
    await waitFor(async () => (await client.read('ccli://agents')).includes('ironwood-echo') && true);
    await stop();
    await fleet.agentReady('ironwood-echo');
    const before = updates;
    // Whoever has left is told of nothing more: a change of which another subscriber hears.
    const second = await connectTo(fleet, way);
    let heard = 0;
    await second.watch('ccli://agents', () => {
      heard += 1;
    });
    await fleet.startNode({ node: 'oak', agents: [scriptedAgent('oak-echo')] });
    await waitFor(() => heard > 0 && true, { what: 'an update for the other one' });
    expect(updates).toBe(before);
  },
);

test('a change while NATS is away is told of when it is back', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'legacy' });
  const gate = join(await temporaryDirectory(), 'open');
  const task_id = 'watched';
  await fleet.call('submit', { task_id, prompt: `#${JSON.stringify({ gate, say: 'done' })}` });
  await fleet.reaches(task_id, 'running');
  let updates = 0;
  await client.watch(`ccli://tasks/${task_id}`, () => {
    updates += 1;
  });
  await fleet.nats.kill();
  await waitFor(async () => (await client.text('discover_agents')).startsWith('nats_unreachable: ') && true);
  await writeFile(gate, '');
  await fleet.nats.restart();
  await waitFor(() => updates > 0 && true, { what: 'an update' });
  await waitFor(
    async () => (await client.text('get_task', { task_id })).includes(`Task ${task_id} completed`) && true,
  );
});

test('nobody subscribes to what is not there', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'legacy' });
  await expect(client.watch('ccli://tasks/nobody', () => undefined)).rejects.toThrow(/nobody/);
  await expect(client.watch('file:///etc/passwd', () => undefined)).rejects.toThrow(/not found/i);
});
