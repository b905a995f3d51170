import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { natsCli } from '../support/nats-cli.ts';

test('the nats command-line tool sees the services, asks them, and reads the history of a task', async () => {
  const fleet = await testFleet();
  const { url } = fleet.nats;
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
  await fleet.agentReady('walnut-echo');
  // Somebody with the tool open must not take the fast "nobody is there" answer away from us.
  const watcher = await connect({ servers: url });
  onTestFinished(() => watcher.close());

  const listed = await natsCli(url, 'micro', 'ls');
  expect(listed).toContain('ccli-coordinator');
  expect(listed).toContain('ccli-node');
  const info = await natsCli(url, 'micro', 'info', 'ccli-node');
  expect(info).toContain('ccli.node.walnut.run');
  expect(info).toContain('walnut');
  expect(await natsCli(url, 'micro', 'stats', 'ccli-coordinator')).toContain('task-submit');
  expect(await natsCli(url, 'micro', 'ping')).toContain('ccli-node');

  const status: unknown = JSON.parse(await natsCli(url, 'req', 'ccli.node.walnut.status', '', '--raw'));
  expect(status).toMatchObject({ node: 'walnut', agents: [{ agent_id: 'walnut-echo', health: 'ready' }] });
  expect(await natsCli(url, 'req', 'ccli.node.walnut.ask', '2+2?', '--raw')).toContain('echo: 2+2?');

  const run = await natsCli(url, 'req', 'ccli.task.run', '{"prompt":"2+2?"}', '--timeout', '60s', '--raw');
  const task: unknown = JSON.parse(run);
  expect(task).toMatchObject({ status: 'completed', response: 'echo: 2+2?' });
  const [latest] = (await fleet.call('list', {})).tasks;
  const history = await natsCli(url, 'kv', 'history', 'ccli_tasks', `${latest?.task_id ?? ''}.state`);
  expect(history.match(/\w+(?="} )/g)).toEqual(['assigned', 'running', 'completed']);

  const refused = await natsCli(url, 'req', 'ccli.task.run', '{"prompt":""}', '--timeout', '60s');
  expect(refused).toContain('prompt_empty');
});
