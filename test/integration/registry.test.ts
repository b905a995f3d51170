/** The registry through its own doors: coordinators, nodes and an Ollama server, each real or as real as it gets. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { backUp } from '../../coordinator/backup/backup.ts';
import { restore } from '../../coordinator/backup/restore.ts';
import type { FleetEvent } from '../../protocol/event.ts';
import type { AgentView, OperationRequest } from '../../protocol/operation.ts';
import { names } from '../../protocol/subjects.ts';
import {
  callOperation,
  scriptedAgent,
  type TestFleet,
  testCoordinator,
  testFleet,
  testNode,
} from '../support/fleet.ts';
import { testNats } from '../support/nats-server.ts';
import { type OllamaStub, startOllamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

/** A fleet that gives work to registered agents only. */
const strictFleet = (): Promise<TestFleet> => testFleet({ discovered: 'deny' });

/** Shuts itself when the test has finished. */
async function ollama(models: readonly string[] = ['llama3:latest']): Promise<OllamaStub> {
  const stub = await startOllamaStub({ models });
  onTestFinished(() => stub.close());
  return stub;
}

const permitting = (...endpoints: string[]) => ({ permit: { ollama: { endpoints, max_concurrent: 4 } } });

const llamaOn = (
  { url }: OllamaStub,
  over: Partial<OperationRequest<'register'>> = {},
): OperationRequest<'register'> => ({
  agent_id: 'walnut-llama3',
  canary: true,
  ollama: { endpoint: url, model: 'llama3' },
  ...over,
});

async function agentOf(fleet: Pick<TestFleet, 'call'>, agent_id: string): Promise<AgentView> {
  const found = (await fleet.call('agents', {})).agents.find(agent => agent.agent_id === agent_id);
  if (found === undefined) throw new Error(`no agent ${agent_id}`);
  return found;
}

const waitsFor = (fleet: TestFleet, task_id: string, words: string) =>
  waitFor(async () => (await fleet.call('get', { task_id })).waiting_for?.includes(words), {
    what: `task ${task_id} waiting for "${words}"`,
  });

describe('an agent that a node advertises', () => {
  test('takes no work before it is registered, unless the fleet says so', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    const seen = await waitFor(async () => {
      const agent = await agentOf(fleet, 'walnut-echo');
      return agent.health === 'ready' && agent;
    });
    expect(seen).toMatchObject({ registration: 'discovered', available: false, endpoint: 'cli://walnut' });
    await expect(fleet.call('submit', { prompt: 'hello' })).rejects.toMatchObject({
      code: 'agent_not_registered',
    });
    const { agent } = await fleet.call('register', { agent_id: 'walnut-echo', canary: true });
    expect(agent).toMatchObject({ registration: 'registered', available: true, node: 'walnut' });
    expect((await fleet.run({ prompt: 'hello' })).response).toBe('echo: hello');
    expect(await fleet.call('status', {})).toMatchObject({ discovered: 'deny', registration: 'open' });
  });

  test('works as it is in a fleet that allows it', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    expect(await fleet.agentReady('walnut-echo')).toMatchObject({ registration: 'discovered' });
    expect((await fleet.run({ prompt: 'hello' })).response).toBe('echo: hello');
  });

  test.each([
    ['whose CLI is missing', { command: '/nowhere/cli' }, 'cli_missing'],
    ['whose canary fails', { command: '/bin/false' }, 'cli_crashed'],
  ])('%s is refused with that finding, and nothing is written', async (_what, over, code) => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', over)] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    await expect(fleet.call('register', { agent_id: 'walnut-echo', canary: true })).rejects.toMatchObject({
      code,
      message: expect.stringContaining('walnut-echo on walnut was not registered') as string,
    });
    expect(await agentOf(fleet, 'walnut-echo')).toMatchObject({ registration: 'discovered' });
  });

  test('whose canary would fail is registered without one', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { command: '/bin/false' })] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    const { agent } = await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    expect(agent.registration).toBe('registered');
  });

  test('is disabled at once: what is queued waits, what runs goes on, and enabled it takes up the rest', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_concurrent: 1 })] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    const gate = join(await temporaryDirectory(), 'open');
    const running = await fleet.call('submit', { prompt: script({ say: 'ran', gate }) });
    await fleet.reaches(running.task_id, 'running');
    const queued = await fleet.call('submit', { prompt: 'waited' });
    const { agent } = await fleet.call('update', { agent_id: 'walnut-echo', enabled: false });
    expect(agent).toMatchObject({ enabled: false, available: false });
    await writeFile(gate, '');
    expect((await fleet.reaches(running.task_id, 'completed')).response).toBe('ran');
    await waitsFor(fleet, queued.task_id, 'disabled');
    expect((await fleet.call('get', { task_id: queued.task_id })).status).toBe('queued');
    await fleet.call('update', { agent_id: 'walnut-echo', enabled: true });
    expect((await fleet.reaches(queued.task_id, 'completed')).response).toBe('echo: waited');
  });

  test('is changed field by field, each given back to the file by null, and never beyond the file', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({
      agents: [scriptedAgent('walnut-echo', { max_concurrent: 4, priority: 1, labels: { room: 'a' } })],
    });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    await fleet.call('register', { agent_id: 'walnut-echo', canary: false, priority: 7, max_concurrent: 2 });
    const changed = await fleet.call('update', {
      agent_id: 'walnut-echo',
      max_concurrent: 64,
      specialty: ['tester'],
      labels: { room: 'b' },
    });
    expect(changed.agent).toMatchObject({
      priority: 7,
      max_concurrent: 4,
      specialty: ['tester'],
      labels: { room: 'b' },
    });
    const back = await fleet.call('update', {
      agent_id: 'walnut-echo',
      priority: null,
      specialty: null,
      labels: null,
    });
    expect(back.agent).toMatchObject({
      priority: 1,
      max_concurrent: 4,
      specialty: ['general_ai'],
      labels: { room: 'a' },
    });
  });

  test('registered again is probed again, and its settings are those of the last time', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    const one = { agent_id: 'walnut-echo', canary: true, priority: 5 };
    await fleet.call('register', one);
    await fleet.call('register', one);
    const { agent } = await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    expect(agent.priority).toBe(0);
  });

  test('taken out of the registry takes no more work; nobody else is named in vain', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo'), scriptedAgent('walnut-other')] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    expect(await fleet.call('remove', { agent_id: 'walnut-echo' })).toEqual({
      removed: true,
      node: 'walnut',
    });
    await expect(fleet.call('submit', { prompt: 'hello' })).rejects.toMatchObject({
      code: 'agent_not_registered',
    });
    await expect(fleet.call('remove', { agent_id: 'walnut-other' })).rejects.toMatchObject({
      code: 'agent_not_registered',
    });
    await expect(fleet.call('update', { agent_id: 'lost', enabled: true })).rejects.toMatchObject({
      code: 'agent_unknown',
    });
    await expect(fleet.call('register', { agent_id: 'lost', canary: false })).rejects.toMatchObject({
      code: 'agent_unknown',
      message: expect.stringContaining('walnut-echo, walnut-other') as string,
    });
  });

  test('tells readers of the events what was asked of it', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    const seen: FleetEvent[] = [];
    fleet.connection.subscribe('ccli.event.agent.walnut.walnut-echo', {
      callback: (_error, message) => {
        seen.push(message.json());
      },
    });
    await fleet.connection.flush();
    await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    await fleet.call('update', { agent_id: 'walnut-echo', priority: 1 });
    await fleet.call('remove', { agent_id: 'walnut-echo' });
    await waitFor(() => seen.length === 3);
    expect(seen.map(event => event.kind === 'agent' && event.change)).toEqual([
      'registered',
      'updated',
      'removed',
    ]);
  });
});

describe('an agent that only its registration defines', () => {
  test('is there for the very next task, on the server that its node permits', async () => {
    const fleet = await strictFleet();
    const stub = await ollama();
    await fleet.startNode({ settings: permitting(stub.url) });
    await fleet.startNode({ node: 'ironwood' });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 2);
    const { agent } = await fleet.call('register', llamaOn(stub, { specialty: ['reasoning'], priority: 3 }));
    expect(agent).toMatchObject({
      node: 'walnut',
      agent_type: 'ollama',
      registration: 'registered',
      available: true,
      endpoint: stub.url,
      specialty: ['reasoning'],
      priority: 3,
    });
    expect(stub.requests).toHaveLength(1);
    expect((await fleet.run({ prompt: 'hello', agent_type: 'ollama' })).response).toBe('echo: hello');
  });

  test.each([
    ['a server that no node permits', {}, 'not_permitted', 'permit.ollama.endpoints'],
    ['a model that the server does not have', { model: 'lama4' }, 'model_not_found', 'llama3'],
  ])('on %s is refused', async (_what, target, code, says) => {
    const fleet = await strictFleet();
    const stub = await ollama();
    await fleet.startNode({ settings: 'model' in target ? permitting(stub.url) : {} });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 1);
    const asked = llamaOn(stub);
    const refused = fleet.call('register', {
      ...asked,
      ollama: { endpoint: stub.url, model: 'llama3', ...target },
    });
    await expect(refused).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says) as string,
    });
    expect((await fleet.call('agents', {})).agents).toEqual([]);
  });

  test('on a server that several nodes permit needs a node', async () => {
    const fleet = await strictFleet();
    const stub = await ollama();
    for (const node of ['walnut', 'ironwood'])
      await fleet.startNode({ node, settings: permitting(stub.url) });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 2);
    await expect(fleet.call('register', llamaOn(stub))).rejects.toMatchObject({ code: 'invalid_request' });
    const { agent } = await fleet.call('register', llamaOn(stub, { node: 'ironwood' }));
    expect(agent.node).toBe('ironwood');
    // Asked again it is known where.
    expect((await fleet.call('register', llamaOn(stub))).agent.node).toBe('ironwood');
  });

  test('goes when it is removed, and its running tasks end first', async () => {
    const fleet = await strictFleet();
    const stub = await ollama();
    await fleet.startNode({ settings: permitting(stub.url) });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 1);
    await fleet.call('register', llamaOn(stub));
    let answer = (_text: string): void => undefined;
    const answered = new Promise<string>(resolve => {
      answer = resolve;
    });
    stub.answer(() => answered);
    const { task_id } = await fleet.call('submit', { prompt: 'hello' });
    await stub.received(2);
    await fleet.call('remove', { agent_id: 'walnut-llama3' });
    await waitFor(async () => (await fleet.call('agents', {})).agents.every(agent => !agent.available));
    answer('ended well');
    expect((await fleet.reaches(task_id, 'completed')).response).toBe('ended well');
    await waitFor(async () => (await fleet.call('agents', {})).agents.length === 0);
  });

  test('is there again with its settings when its node starts anew, from the node’s disk or from the leader', async () => {
    const fleet = await strictFleet();
    const stub = await ollama();
    const kept = await temporaryDirectory();
    const first = await fleet.startNode({ settings: permitting(stub.url), state_dir: kept });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 1);
    await fleet.call('register', llamaOn(stub, { priority: 9 }));
    await first.stop();
    await waitFor(async () => !(await agentOf(fleet, 'walnut-llama3')).available);
    for (const state_dir of [kept, await temporaryDirectory()]) {
      const again = await fleet.startNode({ settings: permitting(stub.url), state_dir });
      expect(await fleet.agentReady('walnut-llama3')).toMatchObject({
        priority: 9,
        registration: 'registered',
      });
      expect((await fleet.run({ prompt: 'hello' })).response).toBe('echo: hello');
      await again.stop();
      await waitFor(async () => !(await agentOf(fleet, 'walnut-llama3')).alive);
    }
  });

  test('says so when the node’s file permits it no more', async () => {
    const fleet = await strictFleet();
    const stub = await ollama();
    const state_dir = await temporaryDirectory();
    const first = await fleet.startNode({ settings: permitting(stub.url), state_dir });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 1);
    await fleet.call('register', llamaOn(stub));
    await first.stop();
    await fleet.startNode({ state_dir });
    const agent = await waitFor(async () => {
      const found = await agentOf(fleet, 'walnut-llama3');
      return found.problem?.code === 'not_permitted' && found;
    });
    expect(agent).toMatchObject({ available: false, registration: 'registered', health: 'unavailable' });
    expect(agent.problem?.message).toContain('permit.ollama.endpoints');
  });

  test('comes seven at a time, as a list of them does, and one by one may fail', async () => {
    const fleet = await strictFleet();
    const models = ['llama3', 'qwen3', 'mistral', 'phi4', 'gemma3', 'codellama', 'starcoder2'];
    const stub = await ollama(models.map(model => `${model}:latest`));
    await fleet.startNode({ settings: permitting(stub.url) });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 1);
    const outcomes = await Promise.allSettled(
      [...models, 'absent'].map(model =>
        fleet.call('register', {
          agent_id: `walnut-${model}`,
          canary: false,
          ollama: { endpoint: stub.url, model },
        }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([...models.map(() => 'fulfilled'), 'rejected']);
    const { agents } = await fleet.call('agents', {});
    expect(agents.filter(agent => agent.available).map(({ agent_id }) => agent_id)).toEqual(
      models.map(model => `walnut-${model}`).sort(),
    );
    for (const model of models)
      expect((await fleet.run({ prompt: model, agent_id: `walnut-${model}` })).response).toBe(
        `echo: ${model}`,
      );
  });
});

describe('registration', () => {
  test('switched off refuses new agents, and lets the others be changed', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo'), scriptedAgent('walnut-late')] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    expect(await fleet.call('registration', { open: false })).toEqual({ open: false });
    await expect(fleet.call('register', { agent_id: 'walnut-late', canary: false })).rejects.toMatchObject({
      code: 'registration_off',
    });
    expect(await fleet.call('status', {})).toMatchObject({ registration: 'off' });
    const { agent } = await fleet.call('update', { agent_id: 'walnut-echo', priority: 4 });
    expect(agent.priority).toBe(4);
    await fleet.call('remove', { agent_id: 'walnut-echo' });
    expect(await fleet.call('registration', {})).toEqual({ open: false });
    await fleet.call('registration', { open: true });
    await fleet.call('register', { agent_id: 'walnut-late', canary: false });
  });

  test('through any coordinator reaches the node by the leading one', async () => {
    const nats = await testNats();
    const leader = await testCoordinator(nats, { discovered: 'deny' });
    await waitFor(() => leader.leads());
    const follower = await testCoordinator(nats, { discovered: 'deny' });
    const connection = await connect({ servers: nats.url });
    onTestFinished(() => connection.close());
    const stub = await ollama();
    await testNode(nats, { agents: [scriptedAgent('walnut-echo')], settings: permitting(stub.url) });
    await waitFor(async () => (await callOperation(connection, 'nodes', {})).nodes.length === 1);
    // Whoever answers: one of the two, at random.
    for (let round = 0; round < 6; round += 1) {
      const agent_id = `walnut-llama-${round}`;
      const asked = { ...llamaOn(stub), agent_id, canary: false };
      expect((await callOperation(connection, 'register', asked)).agent).toMatchObject({ available: true });
      const task = await callOperation(connection, 'run', { prompt: 'hello', agent_id });
      expect(task.response).toBe('echo: hello');
    }
    expect([leader.leads(), follower.leads()]).toEqual([true, false]);
    await leader.stop();
    await waitFor(() => follower.leads(), { timeout_ms: 60_000 });
    const { agent } = await callOperation(connection, 'update', { agent_id: 'walnut-llama-0', priority: 8 });
    expect(agent).toMatchObject({ priority: 8, available: true });
  });

  test('of a newer ccli is left as it is, and keeps its agent from work', async () => {
    const fleet = await strictFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo'), scriptedAgent('walnut-other')] });
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    const registry = await new Kvm(jetstream(fleet.connection)).open('ccli_agents');
    const newer = JSON.stringify({ v: 99, shape: 'unheard of' });
    await registry.put('walnut.walnut-echo', newer);
    await fleet.call('register', { agent_id: 'walnut-other', canary: false });
    await expect(fleet.call('register', { agent_id: 'walnut-echo', canary: false })).rejects.toMatchObject({
      code: 'unsupported_version',
    });
    expect(await agentOf(fleet, 'walnut-echo')).toMatchObject({
      available: false,
      problem: { code: 'unsupported_version' },
    });
    expect((await registry.get('walnut.walnut-echo'))?.string()).toBe(newer);
    expect((await fleet.run({ prompt: 'hello' })).agent_id).toBe('walnut-other');
  });

  test('comes back from a backup, and replaces what the node was told since', async () => {
    const fleet = await strictFleet();
    const stub = await ollama();
    const state_dir = await temporaryDirectory();
    const options = { agents: [scriptedAgent('walnut-echo')], settings: permitting(stub.url), state_dir };
    const walnut = await fleet.startNode(options);
    await waitFor(() => agentOf(fleet, 'walnut-echo'));
    await fleet.call('register', llamaOn(stub, { priority: 2 }));
    await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
    const directory = join(await temporaryDirectory(), 'backup');
    const quiet = { names: names(), signal: new AbortController().signal, onStage: () => undefined };
    await backUp({ ...quiet, connection: fleet.connection, directory });
    await fleet.call('update', { agent_id: 'walnut-llama3', priority: 9 });
    await fleet.call('remove', { agent_id: 'walnut-echo' });
    await walnut.stop();
    await fleet.coordinator.stop();

    const nats = await testNats();
    const connection = await connect({ servers: nats.url });
    onTestFinished(() => connection.close());
    await restore({ ...quiet, connection, directory });
    await testCoordinator(nats, { discovered: 'deny' });
    await testNode(nats, options);
    const { agents } = await waitFor(async () => {
      const found = await callOperation(connection, 'agents', {});
      return found.agents.length === 2 && found.agents.every(agent => agent.available) && found;
    });
    expect(agents.map(({ agent_id, priority, registration }) => [agent_id, priority, registration])).toEqual([
      ['walnut-echo', 0, 'registered'],
      ['walnut-llama3', 2, 'registered'],
    ]);
    expect(
      (await callOperation(connection, 'run', { prompt: 'hello', agent_id: 'walnut-llama3' })).response,
    ).toBe('echo: hello');
  });
});
