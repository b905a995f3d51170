import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startFleet } from '../../../coordinator/embedded/fleet.ts';
import { readRuntimeFile } from '../../../coordinator/embedded/runtime-file.ts';
import { agentView } from '../../support/agent-view.ts';
import { built } from '../../support/built.ts';
import { FLEET_STATUS } from '../../support/fleet-status.ts';
import { testNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Ends in order when its parent does, as our daemons do. */
const IDLE =
  "process.stdin.resume().on('end', () => process.exit(0)); process.on('SIGTERM', () => process.exit(0));";

const module = (path: string): string => JSON.stringify(pathToFileURL(built(path)).href);

/** A coordinator whose only knowledge is one node with the agents given. */
const coordinatorWith = (agents: readonly object[]): string => `
import { connect } from ${module('protocol/daemon/connect.ts')};
const nats = await connect({ url: process.env.CCLI_NATS_URL }, { name: 'fake', patience: 'daemon' });
const replies = ${JSON.stringify({ status: FLEET_STATUS, nodes: { nodes: [NODE] }, agents: { agents } })};
for (const [name, reply] of Object.entries(replies))
  nats.subscribe(process.env.CCLI_PREFIX + '.' + name, { callback: (_, m) => m.respond(JSON.stringify(reply)) });
${IDLE}`;

const NODE = {
  node: 'here',
  instance_id: 'i',
  seq: 1,
  version: '1',
  node_js: 'v20',
  interval_ms: 5000,
  uptime_ms: 1,
  draining: false,
  leaving: false,
  outbox: 0,
  config_revision: 0,
  host: { cpus: 1, load_1m: 0, memory_total_bytes: 1, memory_available_bytes: 1, gpus: [] },
  alive: true,
  contested: false,
  silent_ms: 0,
  agents: 1,
  running: 0,
  slots: 2,
};
const AGENT = agentView('here-gemini', { node: 'here', registration: 'discovered' });

async function fleetOf(
  coordinator: string,
  node_agent: string,
  over: Partial<Parameters<typeof startFleet>[0]> = {},
) {
  const root = await temporaryDirectory();
  const programs = { coordinator: join(root, 'coordinator.mjs'), node_agent: join(root, 'node-agent.mjs') };
  await writeFile(programs.coordinator, coordinator);
  await writeFile(programs.node_agent, node_agent);
  const state_dir = join(root, 'state');
  const stages: string[] = [];
  const start = () =>
    startFleet({
      state_dir,
      environment: { ...process.env, CCLI_NODE: 'here', GEMINI_API_KEY: 'secret-key' },
      onStage: text => stages.push(text),
      programs,
      ...over,
    });
  return { root, state_dir, stages, start };
}

describe('an embedded fleet', () => {
  test('is up once an agent can take a task, is found by its runtime file, and leaves none behind', async () => {
    const { state_dir, start, stages } = await fleetOf(coordinatorWith([AGENT]), IDLE);
    const fleet = await start();
    expect(fleet).toMatchObject({ prefix: 'ccli', node: 'here', demo: false, warning: undefined });
    expect(await readRuntimeFile(state_dir)).toMatchObject({ nats_url: fleet.nats_url, node: 'here' });
    expect(stages).toEqual([
      expect.stringMatching(/^starting nats-server 2\./) as string,
      'starting the coordinator',
      'starting the node-agent of here',
      'waiting for an agent to get ready',
    ]);
    await fleet.stop();
    expect(await readRuntimeFile(state_dir)).toBeUndefined();
    expect((await readdir(state_dir)).filter(name => name.startsWith('fleet'))).toEqual([]);
  });

  test('names the agents that take no tasks, and why', async () => {
    const problem = { code: 'cli_missing', message: 'No claude here.', retryable: false };
    const other = { ...AGENT, agent_id: 'here-claude', health: 'unavailable', available: false, problem };
    const { start } = await fleetOf(coordinatorWith([AGENT, other]), IDLE);
    const fleet = await start();
    expect(fleet.unusable).toEqual(['Agent here-claude takes no tasks (cli_missing): No claude here.']);
    await fleet.stop();
  });

  test('writes no key of the operator anywhere', async () => {
    const { state_dir, start } = await fleetOf(coordinatorWith([AGENT]), IDLE);
    const fleet = await start();
    const files = (await readdir(state_dir, { recursive: true, withFileTypes: true })).filter(entry =>
      entry.isFile(),
    );
    for (const { parentPath, name } of files)
      expect(await readFile(join(parentPath, name), 'utf8')).not.toContain('secret-key');
    expect(files.map(({ name }) => name)).toContain('node-agent.yaml');
    await fleet.stop();
  });

  test('joins a server that is named, and starts none of its own', async () => {
    const nats = await testNats();
    const { state_dir, start, stages } = await fleetOf(coordinatorWith([AGENT]), IDLE, {
      nats_url: nats.url,
    });
    const fleet = await start();
    expect(fleet.nats_url).toBe(nats.url);
    expect(stages.join()).not.toContain('nats-server');
    expect(await readdir(state_dir)).not.toContain('nats');
    await fleet.stop();
  });

  test('says which part ended that nobody stopped, and why', async () => {
    const mortal = `import { existsSync } from 'node:fs';
      ${IDLE}
      setInterval(() => {
        if (!existsSync(process.env.CCLI_STATE_DIR + '.end')) return;
        console.error('error internal: it broke');
        process.exit(1);
      }, 20);`;
    const { state_dir, start, stages } = await fleetOf(coordinatorWith([AGENT]), mortal);
    const fleet = await start();
    await writeFile(join(state_dir, 'node-agent.end'), '');
    expect(await fleet.ended).toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/node-agent.*it broke/s) as string,
    });
    expect(stages.at(-1)).toBe('the node-agent ended; stopping…');
    await fleet.stop();
  });
});

describe('an embedded fleet that cannot start', () => {
  const failing = [
    {
      why: 'because a daemon dies, tells its last words',
      coordinator: "console.error('out of luck'); process.exit(9);",
      code: 'start_failed',
      message: /coordinator ended \(code 9\).*out of luck/s,
    },
    {
      why: 'because a daemon refuses its configuration, passes on the code and the whole sentence',
      node_agent: "console.error('error config_invalid: bad file:\\n  agents.0.id: wrong'); process.exit(2);",
      code: 'config_invalid',
      message: /node-agent.*bad file:\n.*agents\.0\.id: wrong/s,
    },
    {
      why: 'because its only agent cannot take tasks, passes on the problem of the agent',
      coordinator: coordinatorWith([
        {
          ...AGENT,
          health: 'unavailable',
          available: false,
          problem: { code: 'cli_missing', message: 'No gemini here.', retryable: false },
        },
      ]),
      code: 'cli_missing',
      message: /No gemini here/,
    },
  ];

  test.each(failing)(
    '$why, and leaves nothing behind',
    async ({ coordinator, node_agent, code, message }) => {
      const { state_dir, start } = await fleetOf(coordinator ?? coordinatorWith([AGENT]), node_agent ?? IDLE);
      await expect(start()).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
      expect((await readdir(state_dir)).filter(name => name.startsWith('fleet'))).toEqual([]);
    },
  );

  test('because the server that was named does not answer, says so', async () => {
    // A port that was free a moment ago.
    const gone = createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => gone.once('listening', resolve));
    const address = gone.address();
    await new Promise(resolve => gone.close(resolve));
    const port = typeof address === 'object' && address !== null ? address.port : 1;
    const { start } = await fleetOf(IDLE, IDLE, { nats_url: `nats://127.0.0.1:${port}` });
    await expect(start()).rejects.toMatchObject({ code: 'nats_unreachable' });
  });

  test('because its prefix is no prefix, says so before it starts anything', async () => {
    const { start, stages } = await fleetOf(IDLE, IDLE, {
      environment: { ...process.env, CCLI_PREFIX: 'No.Good' },
    });
    await expect(start()).rejects.toMatchObject({ code: 'config_invalid' });
    expect(stages).toEqual([]);
  });

  test('because it is told to give up, stops what it had started', async () => {
    const controller = new AbortController();
    const { state_dir, start } = await fleetOf(IDLE, IDLE, {
      signal: controller.signal,
      onStage: text => {
        if (text.startsWith('starting the node-agent')) controller.abort(new Error('never mind'));
      },
    });
    await expect(start()).rejects.toThrow('never mind');
    expect((await readdir(state_dir)).filter(name => name.startsWith('fleet'))).toEqual([]);
  });
});
