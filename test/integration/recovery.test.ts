import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { type DaemonProcess, startDaemon } from '../support/daemon.ts';
import { scriptedAgent, type TestFleet, testCoordinator, testFleet, testNode } from '../support/fleet.ts';
import { runs } from '../support/running.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

/** A node-agent that can be frozen: a process of its own. */
async function nodeProcess(fleet: TestFleet, node: string, directory?: string): Promise<DaemonProcess> {
  directory ??= await temporaryDirectory();
  const file = join(directory, 'node-agent.yaml');
  const settings = {
    node,
    state_dir: join(directory, 'state'),
    advert_interval: '200ms',
    agents: [scriptedAgent(`${node}-echo`)],
  };
  await writeFile(file, stringify(settings));
  const daemon = startDaemon({
    program: 'node-agent',
    args: ['--config', file],
    environment: { CCLI_NATS_URL: fleet.nats.url },
  });
  await daemon.logged('agent_ready');
  return daemon;
}

test('a task on a node that falls silent starts again elsewhere, and its late success still counts only once', async () => {
  const fleet = await testFleet({ lost_after: 1_500 });
  const walnut = await nodeProcess(fleet, 'walnut');
  await fleet.agentReady('walnut-echo');
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  const { task_id } = await fleet.call('submit', { prompt: script({ say: 'done', gate }) });
  await fleet.reaches(task_id, 'running');
  walnut.signal('SIGSTOP');
  onTestFinished(() => {
    walnut.signal('SIGCONT');
  });
  await testNode(fleet.nats, { node: 'ironwood', agents: [scriptedAgent('ironwood-echo')] });
  await waitFor(async () => {
    const { attempts } = await fleet.call('get', { task_id });
    return attempts.length === 2 && attempts[1]?.agent_id === 'ironwood-echo';
  });
  const lost = await fleet.call('nodes', {});
  expect(lost.nodes.find(node => node.node === 'walnut')?.alive).toBe(false);
  // The frozen node's tool can go on now, and so can the second attempt's.
  walnut.signal('SIGCONT');
  await writeFile(gate, '');
  const task = await fleet.reaches(task_id, 'completed');
  expect(task.response).toBe('done');
  expect(task.attempts.map(attempt => attempt.error?.code)[0]).toBe('node_lost');
  await waitFor(async () =>
    (await fleet.call('agents', {})).agents.every(agent => agent.running === 0 && agent.alive),
  );
  expect(await fleet.call('get', { task_id })).toEqual(task);
});

test('a success that comes late ends the task and stops the attempt that had taken over', async () => {
  const fleet = await testFleet({ lost_after: 1_500 });
  const walnut = await nodeProcess(fleet, 'walnut');
  await fleet.agentReady('walnut-echo');
  const gate = join(await temporaryDirectory(), 'open');
  const { task_id } = await fleet.call('submit', { prompt: script({ say: 'first', gate }) });
  await fleet.reaches(task_id, 'running');
  walnut.signal('SIGSTOP');
  onTestFinished(() => {
    walnut.signal('SIGCONT');
  });
  // The second attempt finds a tool that hangs, whatever the prompt says.
  await testNode(fleet.nats, {
    node: 'ironwood',
    agents: [
      scriptedAgent('ironwood-stuck', { command: '/bin/sh', args: ['-c', 'cat >/dev/null; exec sleep 600'] }),
    ],
  });
  await waitFor(async () => (await fleet.call('get', { task_id })).attempts[1]?.started === true);
  await writeFile(gate, '');
  walnut.signal('SIGCONT');
  const task = await fleet.reaches(task_id, 'completed');
  expect(task).toMatchObject({ response: 'first', agent_id: 'walnut-echo', node: 'walnut' });
  await waitFor(async () => {
    const { agents } = await fleet.call('agents', {});
    return agents.find(agent => agent.agent_id === 'ironwood-stuck')?.running === 0;
  });
});

test('a node that cannot be reached is not waited for when a task is cancelled', async () => {
  const fleet = await testFleet();
  const directory = await temporaryDirectory();
  const walnut = await nodeProcess(fleet, 'walnut', directory);
  await fleet.agentReady('walnut-echo');
  const log = join(await temporaryDirectory(), 'log');
  const { task_id } = await fleet.call('submit', { prompt: script({ hang: true, log }) });
  await fleet.reaches(task_id, 'running');
  const tool = await waitFor(async () => Number((await readFile(log, 'utf8')).replace('start ', '')));
  walnut.signal('SIGKILL');
  await walnut.ended;
  await fleet.call('cancel', { task_id });
  expect(await fleet.reaches(task_id, 'cancelled')).toMatchObject({ stop_confirmed: false });
  // What the killed daemon left running is ended by its next life.
  expect(runs(tool)).toBe(true);
  await nodeProcess(fleet, 'walnut', directory);
  await waitFor(() => !runs(tool));
});

test('a request that is not answered is sent again to the same node, and runs once', async () => {
  const fleet = await testFleet({ accept_timeout: 300 });
  const walnut = await nodeProcess(fleet, 'walnut');
  await fleet.agentReady('walnut-echo');
  const log = join(await temporaryDirectory(), 'log');
  walnut.signal('SIGSTOP');
  onTestFinished(() => {
    walnut.signal('SIGCONT');
  });
  const { task_id } = await fleet.call('submit', { prompt: script({ say: 'once', log }) });
  await fleet.reaches(task_id, 'assigned');
  let requests = 0;
  const watcher = await connect({ servers: fleet.nats.url });
  onTestFinished(() => watcher.close());
  watcher.subscribe('ccli.node.walnut.run', {
    callback: () => {
      requests += 1;
    },
  });
  await waitFor(() => requests >= 2);
  walnut.signal('SIGCONT');
  const task = await fleet.reaches(task_id, 'completed');
  expect(task.attempts).toHaveLength(1);
});

test('of two coordinators one plans, both serve, and the other takes over from one that stops', async () => {
  const fleet = await testFleet();
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
  await fleet.agentReady('walnut-echo');
  const second = await testCoordinator(fleet.nats);
  expect([fleet.coordinator.leads(), second.leads()]).toEqual([true, false]);
  // Whichever of the two accepts them, every task ends once.
  const tasks = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(prompt => fleet.run({ prompt })));
  expect(tasks.map(task => task.response)).toEqual(
    ['a', 'b', 'c', 'd', 'e', 'f'].map(prompt => `echo: ${prompt}`),
  );
  const { epoch } = await fleet.call('status', {});
  await fleet.coordinator.stop();
  expect((await fleet.run({ prompt: 'g' })).response).toBe('echo: g');
  expect(await fleet.call('status', {})).toMatchObject({ role: 'leader', epoch: epoch + 1 });
});

test('two daemons under one name get no work until one of them is gone', async () => {
  const fleet = await testFleet();
  const settings = { advert_interval: '200ms' };
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')], settings });
  await fleet.agentReady('walnut-echo');
  const twin = await fleet.startNode({ agents: [scriptedAgent('walnut-echo')], settings });
  await waitFor(async () => (await fleet.call('nodes', {})).nodes[0]?.contested === true);
  const { task_id } = await fleet.call('submit', { prompt: 'hello' });
  await waitFor(async () =>
    (await fleet.call('get', { task_id })).waiting_for?.includes('Two daemons call themselves walnut'),
  );
  await twin.stop();
  expect((await fleet.reaches(task_id, 'completed')).response).toBe('echo: hello');
});
