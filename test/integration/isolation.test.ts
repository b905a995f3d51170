/** Nothing that a CLI agent does may be felt by an Ollama agent of the same node. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { TaskView } from '../../protocol/operation.ts';
import { root } from '../support/built.ts';
import { startDaemon } from '../support/daemon.ts';
import { scriptedAgent, type TestFleet, testFleet } from '../support/fleet.ts';
import { gate } from '../support/gemini-stub.ts';
import { type OllamaStub, ollamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const SLOTS = 2;
const TASKS = 24;

const ollamaAgents = (stub: OllamaStub) =>
  ['llama3', 'qwen3:8b'].map((model, index) => ({
    id: `walnut-ollama${String(index)}`,
    agent_type: 'ollama',
    endpoint: stub.url,
    model,
    max_concurrent: SLOTS,
  }));

const MISSING = '/nowhere/at/all';
const cliAgents = [
  ...['crash', 'hang', 'flood', 'stubborn'].map(id =>
    scriptedAgent(`walnut-${id}`, { max_concurrent: SLOTS }),
  ),
  scriptedAgent('walnut-missing', { command: MISSING }),
];

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

const ollama = (): Promise<OllamaStub> =>
  ollamaStub({
    models: ['llama3:latest', 'qwen3:8b'],
    answer: ({ model, prompt }) => `${model} says ${prompt}`,
  });

/** What a caller sees of the same tasks, whoever else is on the node. */
async function askOllama(fleet: TestFleet): Promise<Partial<TaskView>[]> {
  const views = await Promise.all(
    Array.from({ length: TASKS }, (_, index) =>
      fleet.run({
        prompt: `prompt ${String(index)}`,
        agent_id: `walnut-ollama${String(index % 2)}`,
        max_attempts: 1,
      }),
    ),
  );
  return views.map(({ status, response, agent_id, attempts, completeness, usage, error }) => ({
    status,
    response,
    agent_id,
    completeness,
    usage,
    error,
    attempts: attempts.map(({ attempt, started, node, instance_id: _instance, epoch: _epoch, ...rest }) => ({
      attempt,
      started,
      node,
      agent_id: rest.agent_id,
      instance_id: '',
      epoch: 0,
    })),
  }));
}

test('Ollama tasks end the same with CLI agents that crash, hang, flood, ignore SIGTERM or are missing, and without any', async () => {
  const alone = await ollama();
  const lonely = await testFleet();
  await lonely.startNode({ agents: ollamaAgents(alone) });
  await lonely.agentReady('walnut-ollama0');
  await lonely.agentReady('walnut-ollama1');
  const expected = await askOllama(lonely);
  expect(expected.every(({ status }) => status === 'completed')).toBe(true);

  const stub = await ollama();
  const fleet = await testFleet();
  await fleet.startNode({ agents: [...cliAgents, ...ollamaAgents(stub)], settings: { max_output: '1MiB' } });
  await fleet.agentReady('walnut-ollama0');
  await fleet.agentReady('walnut-ollama1');
  for (const id of ['crash', 'hang', 'flood', 'stubborn']) await fleet.agentReady(`walnut-${id}`);

  const trouble = await startTrouble(fleet);
  expect(await askOllama(fleet)).toEqual(expected);
  for (const model of ['llama3', 'qwen3:8b']) expect(stub.maxOverlap(model)).toBeLessThanOrEqual(SLOTS);

  // The trouble went on all the while.
  expect(trouble.rounds()).toBeGreaterThan(0);
  for (const task_id of trouble.stuck) expect((await fleet.call('get', { task_id })).status).toBe('running');
  await trouble.stop();
  expect(await askOllama(fleet)).toEqual(expected);
});

test('with every slot of every CLI agent taken, all slots of the Ollama agents are still there', async () => {
  const all = gate();
  const stub = await ollama();
  stub.answer(async ({ prompt }) => {
    await all.opened;
    return prompt;
  });
  const fleet = await testFleet();
  await fleet.startNode({ agents: [...cliAgents, ...ollamaAgents(stub)], settings: { max_output: '1MiB' } });
  await fleet.agentReady('walnut-ollama0');
  await fleet.agentReady('walnut-ollama1');
  for (const id of ['crash', 'hang', 'flood', 'stubborn']) await fleet.agentReady(`walnut-${id}`);
  const trouble = await startTrouble(fleet);
  const tasks = await Promise.all(
    Array.from({ length: 2 * SLOTS }, (_, index) =>
      fleet.call('submit', { prompt: 'hello', agent_id: `walnut-ollama${String(index % 2)}` }),
    ),
  );
  await stub.received(2 * SLOTS);
  all.open();
  for (const { task_id } of tasks) await fleet.reaches(task_id, 'completed');
  await trouble.stop();
});

const FLOODER = join(root, 'test/support/tools/flood.mjs');
const flooders = [
  {
    id: 'walnut-json',
    agent_type: 'cli_generic',
    command: FLOODER,
    output: 'json',
    answer: 'a',
    env: { FLOOD: JSON.stringify({ text: '[\n' }) },
  },
  {
    id: 'walnut-acp',
    agent_type: 'cli_generic',
    driver: 'acp',
    command: join(root, 'test/support/tools/sdk-agent.mjs'),
  },
  { id: 'walnut-gemini', agent_type: 'cli_gemini', driver: 'headless', command: FLOODER },
];

test('floods of three kinds are ended again and again, while every Ollama task completes and the memory stays bounded', async () => {
  const stub = await ollama();
  const fleet = await testFleet();
  const state_dir = await temporaryDirectory();
  const file = join(await temporaryDirectory(), 'node-agent.yaml');
  const agents = [...flooders, ...ollamaAgents(stub)];
  await writeFile(file, stringify({ node: 'walnut', state_dir, agents, max_output: '1MiB' }));
  const node = startDaemon({
    program: 'node-agent',
    args: ['--config', file],
    environment: { CCLI_NATS_URL: fleet.nats.url, GEMINI_API_KEY: 'key' },
  });
  for (const { id } of agents) await fleet.agentReady(id);

  let stopped = false;
  const rounds = new Map<string, number>();
  const floods = Promise.all(
    flooders.map(async ({ id }) => {
      while (!stopped) {
        const view = await fleet.run({ prompt: 'flood', agent_id: id, max_attempts: 1 });
        expect(view).toMatchObject({ status: 'failed', error: { code: 'cli_garbled' } });
        rounds.set(id, (rounds.get(id) ?? 0) + 1);
      }
    }),
  );
  // Checked when they are stopped.
  floods.catch(() => undefined);
  await waitFor(() => rounds.size === flooders.length, { what: 'a flood of each kind' });
  for (const { status, error } of await askOllama(fleet))
    expect({ status, error }).toEqual({ status: 'completed', error: undefined });
  stopped = true;
  await floods;
  if (process.platform === 'linux') expect(highestMemory(node.pid)).toBeLessThan(700 * 1024);
  // Nothing of what they wrote is left, so the node takes work still.
  await waitFor(() => readdirSync(join(state_dir, 'homes')).length === 0);
  expect((await askOllama(fleet)).every(({ status }) => status === 'completed')).toBe(true);
});

/** The most that a process has ever held, in KiB. */
const highestMemory = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]);

interface Trouble {
  /** Tasks that hang, of which one kind ignores SIGTERM as well. */
  readonly stuck: readonly string[];
  /** Tasks that have failed since. */
  rounds(): number;
  stop(): Promise<void>;
}

/** Resolves once each kind of trouble is under way. */
async function startTrouble(fleet: TestFleet): Promise<Trouble> {
  const directory = await temporaryDirectory();
  const stuck = await Promise.all(
    ['hang', 'stubborn'].flatMap(kind =>
      Array.from({ length: SLOTS }, async (_, index) => {
        const log = join(directory, `${kind}${String(index)}`);
        const prompt = script({ hang: true, ignore_term: kind === 'stubborn', log });
        const { task_id } = await fleet.call('submit', { prompt, agent_id: `walnut-${kind}` });
        await waitFor(() => existsSync(log) && readFileSync(log, 'utf8').startsWith('start'));
        return task_id;
      }),
    ),
  );
  await expect(fleet.call('submit', { prompt: 'hello', agent_id: 'walnut-missing' })).rejects.toMatchObject({
    code: 'cli_missing',
  });
  let stopped = false;
  let rounds = 0;
  const again = async (prompt: string, agent_id: string, code: string): Promise<void> => {
    while (!stopped) {
      const view = await fleet.run({ prompt, agent_id, max_attempts: 1 });
      expect(view).toMatchObject({ status: 'failed', error: { code } });
      rounds += 1;
    }
  };
  const flood = script({ say: 'x'.repeat(100_000), repeat: 100_000 });
  const loops = Promise.all([
    again(script({ say: 'half', exit: 3, stderr: 'boom' }), 'walnut-crash', 'cli_crashed'),
    again(flood, 'walnut-flood', 'output_too_large'),
  ]);
  // Checked when it is stopped: until then a failure must not be taken for an unhandled one.
  loops.catch(() => undefined);
  await waitFor(() => rounds > 1, { what: 'the first crashes' });
  rounds = 0;
  return {
    stuck,
    rounds: () => rounds,
    async stop() {
      stopped = true;
      await loops;
      for (const task_id of stuck) await fleet.call('cancel', { task_id });
      for (const task_id of stuck) await fleet.reaches(task_id, 'cancelled');
    },
  };
}
