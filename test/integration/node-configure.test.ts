import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AgentDefinition } from '../../protocol/registration.ts';
import { type LoneNode, loneNode, script } from '../support/lone-node.ts';
import { type OllamaStub, startOllamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

async function ollama(options?: Parameters<typeof startOllamaStub>[0]): Promise<OllamaStub> {
  const stub = await startOllamaStub(options);
  onTestFinished(() => stub.close());
  return stub;
}

/** What the node answers to a run: its code when it refuses. */
async function answerTo(node: LoneNode, over: Parameters<LoneNode['run']>[0]): Promise<string> {
  const reply = await node.run(over);
  return reply.answer === 'refused' ? reply.error.code : reply.answer;
}

const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
};

const codes = (refused: Record<string, { code: string }>): Record<string, string> =>
  Object.fromEntries(Object.entries(refused).map(([id, { code }]) => [id, code]));

/** A node whose file permits agents on the stub. */
async function permitting(stub: OllamaStub, max_concurrent = 2): Promise<LoneNode> {
  return await loneNode({
    settings: { permit: { ollama: { endpoints: [stub.url], max_concurrent } } },
  });
}

const onStub = (stub: OllamaStub, over: Partial<AgentDefinition> = {}): AgentDefinition => ({
  ollama: { endpoint: stub.url, model: 'llama3' },
  ...over,
});

describe('a desired state', () => {
  test('is applied within what the file allows, echoed, and the file holds again for what it leaves out', async () => {
    const node = await loneNode({ agent: { max_concurrent: 2, priority: 3, labels: { rack: 'a' } } });
    await node.start();
    const wanted: AgentDefinition = {
      max_concurrent: 9,
      priority: -1,
      specialty: ['tester'],
      labels: { tier: 'gold' },
    };
    expect(await node.configure({ revision: 5, agents: { one: wanted } })).toEqual({
      revision: 5,
      refused: {},
    });
    const advert = await node.status();
    expect(advert.config_revision).toBe(5);
    expect(advert.agents).toMatchObject([{ ...wanted, max_concurrent: 2, enabled: true }]);
    await node.configure({ revision: 6, agents: { one: { max_concurrent: 1 } } });
    expect((await node.status()).agents).toMatchObject([
      { max_concurrent: 1, priority: 3, specialty: ['general_ai'], labels: { rack: 'a' } },
    ]);
    await node.configure({ revision: 7, agents: {} });
    expect((await node.status()).agents).toMatchObject([{ max_concurrent: 2, enabled: true }]);
  });

  test('that came before is not applied again, and any other one is, even of a lower revision', async () => {
    const node = await loneNode();
    await node.start();
    const disabled = { one: { enabled: false } };
    await node.configure({ revision: 5, agents: disabled });
    await node.configure({ revision: 5, agents: {} });
    expect((await node.status()).agents[0]?.enabled).toBe(false);
    // A store that was made anew counts from the start.
    await node.configure({ revision: 2, agents: {} });
    expect((await node.status()).config_revision).toBe(2);
    expect((await node.status()).agents[0]?.enabled).toBe(true);
    await node.configure({ fleet_id: 'f2', revision: 2, agents: disabled });
    expect((await node.status()).agents[0]?.enabled).toBe(false);
  });

  test('from a coordinator that was replaced, of a former fleet, or for another daemon is refused', async () => {
    const node = await loneNode();
    await node.start();
    await node.configure({ epoch: 4, agents: {} });
    const agents = { one: { enabled: false } };
    expect(await codeOf(node.configure({ epoch: 3, revision: 2, agents }))).toBe('stale_epoch');
    expect(await codeOf(node.configure({ epoch: 4, revision: 2, agents, instance_id: 'other' }))).toBe(
      'wrong_instance',
    );
    await node.configure({ fleet_id: 'f2', epoch: 1, agents: {} });
    expect(await codeOf(node.configure({ epoch: 5, revision: 2, agents }))).toBe('stale_epoch');
    expect((await node.status()).agents[0]?.enabled).toBe(true);
    // Its epoch binds runs as well.
    await node.configure({ fleet_id: 'f2', epoch: 9, revision: 2, agents: {} });
    expect(await answerTo(node, { fleet_id: 'f2', epoch: 8 })).toBe('stale_epoch');
  });

  test('sent twice at once, or two at once, leaves the node with the last of them', async () => {
    const node = await loneNode();
    await node.start();
    const replies = await Promise.all([
      node.configure({ revision: 1, agents: { one: { priority: 1 } } }),
      node.configure({ revision: 1, agents: { one: { priority: 1 } } }),
      node.configure({ revision: 2, agents: { one: { priority: 2 } } }),
    ]);
    const { config_revision, agents } = await node.status();
    expect(agents[0]?.priority).toBe(config_revision);
    expect(replies.map(({ refused }) => refused)).toEqual([{}, {}, {}]);
  });

  test('holds from the first advert of the next life on', async () => {
    const stub = await ollama();
    const node = await permitting(stub);
    const first = await node.startProcess();
    await node.configure({ revision: 3, agents: { one: { enabled: false }, llama: onStub(stub) } });
    const adverts = node.connection.subscribe('ccli.node.walnut.advert');
    first.signal('SIGKILL');
    await first.ended;
    await node.startProcess();
    const advert = await node.shows('llama', { health: 'ready', enabled: true });
    expect(advert.config_revision).toBe(3);
    for await (const message of adverts) {
      const { instance_id, agents } = message.json<typeof advert>();
      if (instance_id !== advert.instance_id) continue;
      expect(agents.map(({ agent_id, enabled }) => [agent_id, enabled])).toEqual([
        ['one', false],
        ['llama', true],
      ]);
      break;
    }
    expect(await answerTo(node, {})).toBe('agent_disabled');
  });

  test.each([
    ['that is damaged', '{"v":1,"agents":'],
    ['of a newer version', '{"v":2,"fleet_id":"f1","revision":9,"agents":{"one":{"enabled":false}}}'],
  ])('on disk %s is left aside, and the node runs by its file', async (_what, text) => {
    const node = await loneNode();
    const first = await node.startProcess();
    await node.configure({ revision: 3, agents: { one: { enabled: false } } });
    first.signal('SIGTERM');
    await first.ended;
    const file = join(node.state_dir, 'desired.json');
    expect(await readFile(file, 'utf8')).toContain('"enabled":false');
    await writeFile(file, text);
    const second = await node.startProcess();
    expect(await node.status()).toMatchObject({ config_revision: 0, agents: [{ enabled: true }] });
    expect(second.log()).toContain('"event":"configuration_not_read"');
    await node.configure({ revision: 3, agents: { one: { enabled: false } } });
    expect((await node.status()).agents[0]?.enabled).toBe(false);
  });

  test('that disables an agent or takes its slots away lets nothing in', async () => {
    const node = await loneNode();
    await node.start();
    await node.configure({ revision: 1, agents: { one: { enabled: false } } });
    expect(await answerTo(node, {})).toBe('agent_disabled');
    await node.configure({ revision: 2, agents: { one: { max_concurrent: 0 } } });
    expect(await answerTo(node, {})).toBe('slots_taken');
    await node.configure({ revision: 3, agents: {} });
    expect(await answerTo(node, {})).toBe('accepted');
    await node.reported(1);
  });

  test('with a pin keeps work away from another version, until the pin fits', async () => {
    const stub = await ollama({ version: '0.17.4' });
    const node = await permitting(stub);
    await node.start();
    const pinned = (expected_version: string) => ({ llama: onStub(stub, { expected_version }) });
    await node.configure({ revision: 1, agents: pinned('^0.18') });
    const advert = await node.shows('llama', { health: 'unavailable', cli_version: '0.17.4' });
    expect(advert.agents.find(({ agent_id }) => agent_id === 'llama')).toMatchObject({
      expected_version: '^0.18',
      problem: { code: 'version_mismatch', retryable: false },
    });
    expect(await answerTo(node, { agent_id: 'llama' })).toBe('version_mismatch');
    await node.configure({ revision: 2, agents: pinned('0.17.x') });
    expect(await answerTo(node, { agent_id: 'llama' })).toBe('accepted');
    await node.reported(1);
  });
});

describe('an agent that only a registration defines', () => {
  test('is made, answers, shows its server, and is gone when it is no longer wanted', async () => {
    const stub = await ollama();
    const node = await permitting(stub);
    await node.start();
    expect((await node.status()).ollama_endpoints).toEqual([stub.url]);
    await node.configure({ revision: 1, agents: { llama: onStub(stub) } });
    const advert = await node.shows('llama', { health: 'ready' });
    expect(advert.agents.at(-1)).toMatchObject({
      agent_type: 'ollama',
      endpoint: stub.url,
      model: 'llama3',
      max_concurrent: 2,
      cli_version: '0.17.4',
      loaded_models: [],
    });
    expect(await answerTo(node, { agent_id: 'llama', prompt: { inline: 'hello' } })).toBe('accepted');
    const [report] = await node.reported(1);
    expect(report).toMatchObject({ outcome: 'completed', text: { inline: 'echo: hello' }, load_ms: 1 });
    await node.shows('llama', { loaded_models: ['llama3'] });
    expect((await node.status()).agents.at(-1)?.recent).toMatchObject({ runs: 1, failed: 0 });
    await node.configure({ revision: 2, agents: {} });
    await node.shows('llama', undefined);
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't2' })).toBe('agent_unknown');
    await waitFor(async () => (await stub.connections()) === 0);
  });

  test('is refused beyond what the file permits, with the others applied all the same', async () => {
    const stub = await ollama();
    const node = await permitting(stub, 3);
    await node.start();
    const elsewhere = { ollama: { endpoint: 'http://127.0.0.1:1', model: 'llama3' } };
    const agents = {
      one: onStub(stub),
      greedy: onStub(stub, { max_concurrent: 4 }),
      elsewhere,
      nobody: { priority: 1 },
      well: onStub(stub, { max_concurrent: 3 }),
    };
    const { refused } = await node.configure({ agents });
    expect(codes(refused)).toEqual({
      one: 'not_permitted',
      greedy: 'not_permitted',
      elsewhere: 'not_permitted',
      nobody: 'agent_unknown',
    });
    expect(refused['elsewhere']?.message).toContain('permit.ollama.endpoints');
    expect(refused['greedy']?.message).toContain('permit.ollama.max_concurrent');
    expect((await node.status()).agents.map(({ agent_id, agent_type }) => [agent_id, agent_type])).toEqual([
      ['one', 'cli_generic'],
      ['well', 'ollama'],
    ]);
    // Asked again, it says the same.
    expect((await node.configure({ agents })).refused).toEqual(refused);
  });

  test('lets its tasks end when it is removed, and takes nothing more meanwhile', async () => {
    const stub = await ollama();
    let answer = (_text: string): void => undefined;
    stub.answer(() => new Promise(resolve => (answer = resolve)));
    const node = await permitting(stub);
    await node.start();
    await node.configure({ revision: 1, agents: { llama: onStub(stub) } });
    await node.shows('llama', { health: 'ready' });
    expect(await answerTo(node, { agent_id: 'llama' })).toBe('accepted');
    await stub.received(1);
    await node.configure({ revision: 2, agents: {} });
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't2' })).toBe('agent_unknown');
    expect((await node.status()).running).toMatchObject([{ agent_id: 'llama', task_id: 't1' }]);
    answer('the end');
    const [report] = await node.reported(1);
    expect(report).toMatchObject({ outcome: 'completed', text: { inline: 'the end' } });
    await waitFor(async () => (await stub.connections()) === 0);
  });

  test('of another model or server is another agent; other terms leave it as it is', async () => {
    const stub = await ollama({ models: ['llama3:latest', 'qwen3:8b'] });
    let answer = (_text: string): void => undefined;
    stub.answer(() => new Promise(resolve => (answer = resolve)));
    const node = await permitting(stub);
    await node.start();
    await node.configure({ revision: 1, agents: { llama: onStub(stub) } });
    await node.shows('llama', { health: 'ready' });
    await node.run({ agent_id: 'llama' });
    await stub.received(1);
    await node.configure({
      revision: 2,
      agents: { llama: onStub(stub, { priority: 7, max_concurrent: 1 }) },
    });
    expect((await node.status()).agents.at(-1)).toMatchObject({ priority: 7, running: 1, max_concurrent: 1 });
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't2' })).toBe('slots_taken');
    const other = { endpoint: stub.url, model: 'qwen3:8b' };
    await node.configure({ revision: 3, agents: { llama: { ollama: other } } });
    // What runs on the old one counts until it has ended.
    await node.shows('llama', { health: 'ready', model: 'qwen3:8b', running: 1 });
    answer('of the old one');
    expect((await node.reported(1))[0]).toMatchObject({ text: { inline: 'of the old one' } });
    stub.answer(() => 'of the new one');
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't3' })).toBe('accepted');
    await node.reported(2);
    expect(stub.requests.map(({ model }) => model)).toEqual(['llama3', 'qwen3:8b']);
  });

  test('with other options asks differently from then on, and keeps its slots, its pause and its record', async () => {
    const stub = await ollama();
    const node = await permitting(stub, 4);
    await node.start();
    const withOptions = (options: Record<string, number>): AgentDefinition =>
      onStub(stub, { max_concurrent: 1, ollama: { endpoint: stub.url, model: 'llama3', options } });
    await node.configure({ revision: 1, agents: { llama: withOptions({ seed: 1 }) } });
    await node.shows('llama', { health: 'ready' });
    await node.run({ agent_id: 'llama', task_id: 'first' });
    await node.reported(1);
    let answer = (_text: string): void => undefined;
    stub.answer(() => new Promise(resolve => (answer = resolve)));
    await node.run({ agent_id: 'llama' });
    await stub.received(2);
    for (const seed of [2, 3]) {
      await node.configure({ revision: seed, agents: { llama: withOptions({ seed }) } });
      expect(await answerTo(node, { agent_id: 'llama', task_id: `t${String(seed)}` })).toBe('slots_taken');
    }
    expect((await node.status()).agents.at(-1)).toMatchObject({ running: 1, recent: { runs: 1 } });
    answer('the end');
    await node.reported(2);
    stub.answer(() => ({ status: 429, error: 'slow down', headers: { 'retry-after': '900' } }));
    await node.run({ agent_id: 'llama', task_id: 'paused' });
    await node.reported(3);
    await node.configure({ revision: 4, agents: { llama: withOptions({ seed: 4 }) } });
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't4' })).toBe('rate_limited');
    expect(stub.requests.map(({ options }) => options)).toEqual([{ seed: 1 }, { seed: 1 }, { seed: 3 }]);
    expect(stub.maxOverlap('llama3')).toBe(1);
  });

  test('of another model keeps the pause that its server asked for, and not on another server', async () => {
    const stub = await ollama({ models: ['llama3:latest', 'qwen3:8b'] });
    const other = await ollama();
    const endpoints = [stub.url, other.url];
    const node = await loneNode({ settings: { permit: { ollama: { endpoints } } } });
    const first = await node.startProcess();
    stub.answer(() => ({ status: 429, error: 'slow down', headers: { 'retry-after': '900' } }));
    await node.configure({ revision: 1, agents: { llama: onStub(stub) } });
    await node.shows('llama', { health: 'ready' });
    await node.run({ agent_id: 'llama' });
    await node.reported(1);
    const moved = { endpoint: stub.url, model: 'qwen3:8b' };
    await node.configure({ revision: 2, agents: { llama: { ollama: moved } } });
    await node.shows('llama', { health: 'ready', model: 'qwen3:8b', cooldown_code: 'rate_limited' });
    first.signal('SIGTERM');
    await first.ended;
    await node.startProcess();
    await node.shows('llama', { health: 'ready', model: 'qwen3:8b', cooldown_code: 'rate_limited' });
    await node.configure({ revision: 3, agents: { llama: onStub(other) } });
    const advert = await node.shows('llama', { health: 'ready', endpoint: other.url });
    expect(advert.agents.at(-1)?.cooldown_ms).toBeUndefined();
  });

  test('whose slot is held by the one before, of another model or removed in between, waits for it', async () => {
    const stub = await ollama({ models: ['llama3:latest', 'qwen3:8b'] });
    let answer = (_text: string): void => undefined;
    stub.answer(() => new Promise(resolve => (answer = resolve)));
    const node = await permitting(stub);
    await node.start();
    const llama = onStub(stub, { max_concurrent: 1 });
    await node.configure({ revision: 1, agents: { llama } });
    await node.shows('llama', { health: 'ready' });
    await node.run({ agent_id: 'llama' });
    await stub.received(1);
    const qwen = { ...llama, ollama: { endpoint: stub.url, model: 'qwen3:8b' } };
    await node.configure({ revision: 2, agents: { llama: qwen } });
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't2' })).toBe('slots_taken');
    await node.configure({ revision: 3, agents: {} });
    await node.configure({ revision: 4, agents: { llama } });
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't3' })).toBe('slots_taken');
    answer('the end');
    await node.shows('llama', { running: 0 });
    stub.answer(() => 'well');
    await node.shows('llama', { health: 'ready' });
    expect(await answerTo(node, { agent_id: 'llama', task_id: 't4' })).toBe('accepted');
    await node.reported(2);
  });

  test('that could not be made is made as soon as the same state is sent again, and asked for until then', async () => {
    const stub = await ollama();
    const node = await permitting(stub);
    // A cooldown of a clock that was set back is written anew, which its draft is in the way of.
    const cooldowns = join(node.state_dir, 'cooldowns');
    const draft = join(cooldowns, 'llama.json.draft');
    await mkdir(draft, { recursive: true });
    const record = { code: 'rate_limited', ends_at_ms: Date.now() + 9e9, granted_ms: 900_000 };
    await writeFile(join(cooldowns, 'llama.json'), JSON.stringify(record));
    await node.start();
    const agents = { llama: onStub(stub), one: { priority: 5 } };
    const { refused } = await node.configure({ revision: 7, agents });
    expect(codes(refused)).toEqual({ llama: 'internal' });
    expect(await node.status()).toMatchObject({ config_revision: 0, agents: [{ priority: 5 }] });
    await rm(draft, { recursive: true });
    expect(await node.configure({ revision: 7, agents })).toEqual({ revision: 7, refused: {} });
    expect((await node.shows('llama', { health: 'ready' })).config_revision).toBe(7);
  });

  test('is refused where what the node tells would not fit into a message any more, and the others are seen', async () => {
    const stub = await ollama();
    const node = await permitting(stub);
    await node.start();
    const labels = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`label-${String(index)}`, 'x'.repeat(100)]),
    );
    const ids = Array.from({ length: 480 }, (_, index) => `llama-${String(index)}`);
    const agents = Object.fromEntries(ids.map(id => [id, onStub(stub, { labels })]));
    const seen = node.connection.subscribe('ccli.node.walnut.advert');
    const { refused } = await node.configure({ revision: 1, agents });
    const advert = await node.status();
    const made = advert.agents.filter(({ agent_type }) => agent_type === 'ollama');
    expect(made.length).toBeGreaterThan(200);
    expect(made.length + Object.keys(refused).length).toBe(480);
    expect(new Set(Object.values(codes(refused)))).toEqual(new Set(['not_permitted']));
    expect(refused['llama-479']?.message).toContain('fewer or shorter labels');
    expect(made.every(agent => isDeepStrictEqual(agent.labels, labels))).toBe(true);
    // None tells of a part of it.
    for await (const message of seen) {
      const { config_revision, agents: told } = message.json<typeof advert>();
      expect(told).toHaveLength(config_revision === 0 ? 1 : made.length + 1);
      if (config_revision === 1) break;
    }
    await node.shows('llama-0', { health: 'ready' });
    await node.configure({ revision: 2, agents: {} });
    expect((await node.status()).agents).toHaveLength(1);
  });

  test('goes with the daemon that stops while it runs, and its task is handed back', async () => {
    const stub = await ollama();
    stub.answer(() => new Promise<string>(() => undefined));
    const node = await loneNode({
      settings: { permit: { ollama: { endpoints: [stub.url] } }, drain_timeout: '200ms' },
    });
    const daemon = await node.startProcess();
    await node.configure({ revision: 1, agents: { llama: onStub(stub) } });
    await node.shows('llama', { health: 'ready' });
    await node.run({ agent_id: 'llama' });
    await stub.received(1);
    await node.configure({ revision: 2, agents: {} });
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect((await node.reports())[0]?.error?.code).toBe('agent_restarted');
  });
});

test('a task of a session reaches the agent with what was said before, and one that is none fails', async () => {
  const stub = await ollama();
  const node = await permitting(stub);
  await node.start();
  await node.configure({ revision: 1, agents: { llama: onStub(stub) } });
  await node.shows('llama', { health: 'ready' });
  const turns = [{ prompt: 'my name is Ada', response: 'hello Ada' }];
  const inline = JSON.stringify({ turns, dropped: 0, prompt: 'what is it?' });
  await node.run({ agent_id: 'llama', conversation: true, prompt: { inline } });
  await node.reported(1);
  expect(stub.requests[0]?.messages.map(({ content }) => content)).toEqual([
    'my name is Ada',
    'hello Ada',
    'what is it?',
  ]);
  await node.run({ agent_id: 'llama', task_id: 't2', conversation: true, prompt: { inline: 'hi' } });
  expect((await node.reported(2))[1]?.error?.code).toBe('invalid_request');
  expect((await node.status()).agents.at(-1)).toMatchObject({ health: 'ready', recent: { runs: 1 } });
});

test('a CLI agent that hangs changes nothing for the agent that is added beside it', async () => {
  const stub = await ollama();
  const node = await permitting(stub);
  const gate = join(await temporaryDirectory(), 'open');
  await node.start();
  await node.run({ task_id: 'hanging', prompt: script({ say: 'late', gate }) });
  await node.configure({ agents: { llama: onStub(stub), one: { enabled: false } } });
  await node.shows('llama', { health: 'ready' });
  await node.run({ agent_id: 'llama' });
  expect((await node.reported(1))[0]?.task_id).toBe('t1');
  await writeFile(gate, '');
  // An agent that is disabled finishes what it has.
  expect((await node.reported(2))[1]).toMatchObject({ task_id: 'hanging', outcome: 'completed' });
});
