import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { startDaemon } from '../support/daemon.ts';
import { callOperation, scriptedAgent } from '../support/fleet.ts';
import { testNats } from '../support/nats-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

async function nodeFile(settings: Record<string, unknown>): Promise<string> {
  const directory = await temporaryDirectory();
  const file = join(directory, 'node-agent.yaml');
  await writeFile(file, stringify({ node: 'walnut', state_dir: join(directory, 'state'), ...settings }));
  return file;
}

test('daemons that start before NATS wait for it, say so, and then serve', async () => {
  const nats = await testNats();
  await nats.kill();
  const environment = { CCLI_NATS_URL: nats.url };
  const file = await nodeFile({ agents: [scriptedAgent('walnut-echo')] });
  const coordinator = startDaemon({ program: 'coordinator', environment });
  const node = startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  await Promise.all([coordinator.logged('waiting_for_nats'), node.logged('waiting_for_nats')]);
  expect(node.log()).toContain('"error_code":"nats_unreachable"');
  await nats.restart();
  await Promise.all([coordinator.logged('ready'), node.logged('agent_ready')]);
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const task = await callOperation(connection, 'run', { prompt: 'hello', wait_ms: 30_000 });
  expect(task.response).toBe('echo: hello');
});

test('a daemon told to stop while it waits for NATS stops', async () => {
  const nats = await testNats();
  await nats.kill();
  const node = startDaemon({
    program: 'node-agent',
    environment: { CCLI_NATS_URL: nats.url, CCLI_STATE_DIR: await temporaryDirectory() },
  });
  await node.logged('connecting');
  node.signal('SIGTERM');
  expect(await node.ended).toBe(0);
});

test('SIGTERM lets a running task finish, then the node-agent exits 0 and leaves no process', async () => {
  const nats = await testNats();
  const environment = { CCLI_NATS_URL: nats.url };
  const file = await nodeFile({ agents: [scriptedAgent('walnut-echo')] });
  const coordinator = startDaemon({ program: 'coordinator', environment });
  const node = startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  await Promise.all([coordinator.logged('ready'), node.logged('agent_ready')]);
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const gate = join(await temporaryDirectory(), 'open');
  const prompt = `#${JSON.stringify({ say: 'finished', gate })}`;
  const { task_id } = await callOperation(connection, 'submit', { prompt });
  await waitFor(async () => (await callOperation(connection, 'get', { task_id })).status === 'running');
  node.signal('SIGTERM');
  await node.logged('draining');
  await writeFile(gate, '');
  expect(await node.ended).toBe(0);
  const task = await callOperation(connection, 'get', { task_id, wait_ms: 10_000 });
  expect(task).toMatchObject({ status: 'completed', response: 'finished' });
  coordinator.signal('SIGTERM');
  expect(await coordinator.ended).toBe(0);
});

test('a killed node-agent reports after its restart what died with it, and another attempt answers', async () => {
  const nats = await testNats();
  const environment = { CCLI_NATS_URL: nats.url };
  const file = await nodeFile({ agents: [scriptedAgent('walnut-echo')] });
  const coordinator = startDaemon({ program: 'coordinator', environment });
  const first = startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  await Promise.all([coordinator.logged('ready'), first.logged('agent_ready')]);
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const gate = join(await temporaryDirectory(), 'open');
  const prompt = `#${JSON.stringify({ say: 'second try', gate })}`;
  const { task_id } = await callOperation(connection, 'submit', { prompt });
  await waitFor(async () => (await callOperation(connection, 'get', { task_id })).status === 'running');
  first.signal('SIGKILL');
  await first.ended;
  await writeFile(gate, '');
  startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  const task = await callOperation(connection, 'get', { task_id, wait_ms: 60_000 });
  expect(task).toMatchObject({ status: 'completed', response: 'second try' });
  expect(task.attempts.map(attempt => attempt.error?.code)).toEqual(['agent_restarted', undefined]);
});

test('a wrong configuration ends the daemon with exit code 2 and names every mistake', async () => {
  const file = await nodeFile({ agents: [{ id: 'BAD', agent_type: 'cli_nothing' }], log_level: 'loud' });
  const node = startDaemon({ program: 'node-agent', args: ['--config', file] });
  expect(await node.ended).toBe(2);
  for (const part of ['config_invalid', 'agents.0.id', 'agents.0.agent_type', 'log_level'])
    expect(node.log()).toContain(part);
});

test('a second node-agent on one state directory is refused, and the first goes on undisturbed', async () => {
  const nats = await testNats();
  const environment = { CCLI_NATS_URL: nats.url };
  const file = await nodeFile({ agents: [scriptedAgent('walnut-echo')] });
  const first = startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  await first.logged('agent_ready');
  const second = startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  expect(await second.ended).toBe(2);
  expect(second.log()).toContain(`error state_in_use: A node-agent (process ${first.pid})`);
  first.signal('SIGKILL');
  await first.ended;
  const successor = startDaemon({ program: 'node-agent', args: ['--config', file], environment });
  await successor.logged('agent_ready');
});

test('a coordinator on a NATS server without JetStream says what is missing', async () => {
  const server = await findNatsServer({ environment: process.env, onStage: () => undefined });
  const port = await freePort();
  const bare = spawn(server.path, ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  onTestFinished(async () => {
    bare.kill('SIGKILL');
    if (bare.exitCode === null && bare.signalCode === null) await once(bare, 'exit');
  });
  const coordinator = startDaemon({
    program: 'coordinator',
    environment: { CCLI_NATS_URL: `nats://127.0.0.1:${port}` },
  });
  expect(await coordinator.ended).toBe(4);
  expect(coordinator.log()).toContain('error store_unavailable: This NATS server runs without JetStream');
});

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
