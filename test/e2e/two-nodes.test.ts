import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { startDaemon } from '../support/daemon.ts';
import { callOperation, testCoordinator } from '../support/fleet.ts';
import { gate, startGeminiStub } from '../support/gemini-stub.ts';
import { testNats } from '../support/nats-server.ts';
import { makeNvmHome } from '../support/node-builds.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

test('two nodes under Node 22.14.0 and 22.17.0 run four prompts at once, and the fifth when a slot is free', async () => {
  const nats = await testNats();
  await testCoordinator(nats);
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  const hold = gate();
  stub.answer(async request => {
    await hold.opened;
    return `answer to ${request.prompt}`;
  });
  const nvm_dir = await makeNvmHome(await temporaryDirectory(), {
    versions: ['22.14.0', '22.17.0'],
    gemini: ['22.14.0', '22.17.0'],
  });
  for (const [node, version] of [
    ['walnut', '22.14.0'],
    ['ironwood', '22.17.0'],
  ] as const) {
    const directory = await temporaryDirectory();
    const file = join(directory, 'node-agent.yaml');
    const agent = {
      id: `${node}-gemini`,
      agent_type: 'cli_gemini',
      model: 'gemini-2.5-pro',
      node_version: `v${version}`,
      env: stub.environment,
    };
    await writeFile(file, stringify({ node, state_dir: join(directory, 'state'), nvm_dir, agents: [agent] }));
    startDaemon({
      program: 'node-agent',
      args: ['--config', file],
      environment: { CCLI_NATS_URL: nats.url },
      node: join(nvm_dir, 'versions', 'node', `v${version}`, 'bin', 'node'),
    });
  }
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const agents = await waitFor(async () => {
    const found = (await callOperation(connection, 'agents', {})).agents;
    return found.length === 2 && found.every(agent => agent.available) && found;
  });
  expect(
    agents.map(agent => [agent.agent_id, agent.node_version, agent.cli_version, agent.max_concurrent]),
  ).toEqual([
    ['ironwood-gemini', 'v22.17.0', '0.61.0', 2],
    ['walnut-gemini', 'v22.14.0', '0.61.0', 2],
  ]);
  const { nodes } = await callOperation(connection, 'nodes', {});
  expect(nodes.map(node => [node.node, node.node_js])).toEqual([
    ['ironwood', 'v22.17.0'],
    ['walnut', 'v22.14.0'],
  ]);

  const prompts = ['one', 'two', 'three', 'four', 'five'];
  const ended = Promise.all(
    prompts.map(prompt => callOperation(connection, 'run', { prompt, wait_ms: 60_000 })),
  );
  await stub.received(4);
  await waitFor(async () => {
    const { tasks } = await callOperation(connection, 'list', { status: 'queued' });
    return tasks.length === 1;
  });
  expect(stub.max_overlap).toBe(4);
  expect(stub.requests).toHaveLength(4);
  hold.open();
  const answers = await ended;
  expect(answers.map(task => task.response)).toEqual(prompts.map(prompt => `answer to ${prompt}`));
  expect(new Set(answers.slice(0, 4).map(task => task.agent_id))).toEqual(
    new Set(['walnut-gemini', 'ironwood-gemini']),
  );
  expect(stub.max_overlap).toBe(4);
});
