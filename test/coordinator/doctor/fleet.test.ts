/** `ccli doctor` on real fleets, well and otherwise. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import type { Advert } from '../../../protocol/advert.ts';
import { VERSION } from '../../../protocol/daemon/version.ts';
import { advertOf } from '../../support/advert.ts';
import { agentStatus } from '../../support/agent-view.ts';
import { scriptedAgent, type TestFleet, testFleet, testNode } from '../../support/fleet.ts';
import { failures } from '../../support/gemini-failures.ts';
import { startGeminiStub } from '../../support/gemini-stub.ts';
import { startNatsProxy } from '../../support/nats-proxy.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from '../cli/support/fake-io.ts';
import { askDoctor, examined } from './support/ask-doctor.ts';
import { rawNats } from './support/raw-nats.ts';

/** Said once, or again and again for as long as the test runs. */
async function advertise(fleet: TestFleet, over: Partial<Advert>, every_ms?: number): Promise<void> {
  let seq = 0;
  const say = (): void => {
    seq += 1;
    const advert = advertOf({ version: VERSION, node_js: 'v22.14.0', ...over, seq });
    fleet.connection.publish(`ccli.node.${advert.node}.advert`, JSON.stringify(advert));
  };
  say();
  await fleet.connection.flush();
  if (every_ms === undefined) return;
  const timer = setInterval(say, every_ms);
  onTestFinished(() => {
    clearInterval(timer);
  });
}

const nodeIs = (fleet: TestFleet, node: string, what: 'alive' | 'lost' | 'contested') =>
  waitFor(async () => {
    const found = (await fleet.call('nodes', {})).nodes.find(one => one.node === node);
    if (what === 'contested') return found?.contested;
    return found !== undefined && found.alive === (what === 'alive');
  });

/** A CLI with a print mode that is a shell script. */
async function shellAgent(id: string, script: string, over: Record<string, unknown> = {}) {
  const command = join(await temporaryDirectory(), 'tool');
  await writeFile(command, `#!/bin/sh\n${script}\n`);
  await chmod(command, 0o755);
  return { id, agent_type: 'cli_generic', command, ...over };
}

describe('a fleet that is well', () => {
  test('has every line ok but what nobody can know, and its agents answer as many at a time as they have slots', async () => {
    const fleet = await testFleet({ http: { enabled: true } });
    await fleet.startNode({ agents: [scriptedAgent('one', { max_concurrent: 3 })] });
    await fleet.agentReady('one');
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.checks.filter(({ outcome }) => outcome !== 'ok').map(({ check }) => check)).toEqual([
      'durability',
    ]);
    expect(report.exit).toBe(9);
    expect(report.worst).toBe('warn');
    expect(report.checks.map(({ check }) => check)).toEqual([
      'nats',
      'jetstream',
      'streams',
      'schema',
      'reports',
      'clock',
      'coordinator',
      'durability',
      'stores',
      'http',
      'versions',
      'alive',
      'agent',
      'prompt',
      'concurrency',
    ]);
    expect(report.of('prompt')).toMatchObject([
      { host: 'walnut', agent_id: 'one', took_ms: expect.any(Number) as number },
    ]);
    expect(report.of('concurrency')[0]?.says).toContain('3 at a time worked');
    expect(report.of('http')[0]?.took_ms).toBeGreaterThan(0);
  });

  test('gets no prompts when none are wanted, and no more at a time than is said', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one', { max_concurrent: 8 })] });
    await fleet.agentReady('one');
    const quiet = await askDoctor('--nats', fleet.nats.url, '--no-prompts');
    expect(quiet.of('prompt')).toMatchObject([{ outcome: 'skipped' }]);
    expect((await fleet.call('list', {})).tasks).toEqual([]);
    const bounded = await askDoctor('--nats', fleet.nats.url, '--concurrency', '2');
    expect(bounded.of('concurrency')[0]?.says).toContain('8 slots are there, and 2 was the most');
    expect((await fleet.call('list', {})).tasks.length).toBe(3);
  });

  test('is shown host by host, with a summary', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one', { max_concurrent: 1 })] });
    await fleet.agentReady('one');
    const { code, out, err } = await ccli(['doctor', '--nats', fleet.nats.url]);
    expect(err).toBe('');
    expect(code).toBe(9);
    expect(out).toMatch(/^from here\n {2}ok +nats +nats-server/);
    expect(out).toMatch(/\n\nwalnut\n {2}ok +alive/);
    expect(out).toMatch(/ warn +durability .*\n +Set `sync_interval: always`/);
    expect(out).toMatch(/\n\d+ ok, 1 warning, 1 skipped\n$/);
  });
});

describe('NATS', () => {
  test('that is away fails at once, and nothing that needs it is looked at', async () => {
    const report = await askDoctor('--nats', 'nats://127.0.0.1:9');
    expect(report.exit).toBe(1);
    expect(report.of('nats')).toMatchObject([{ outcome: 'fail', code: 'nats_unreachable' }]);
    expect(report.checks.filter(({ outcome }) => outcome === 'skipped').length).toBe(10);
  });

  test('that answers nothing holds nobody up', async () => {
    const fleet = await testFleet();
    const proxy = await startNatsProxy(fleet.nats.port);
    onTestFinished(() => proxy.close());
    proxy.partition();
    const report = await askDoctor('--nats', proxy.url);
    expect(report.of('nats')).toMatchObject([{ outcome: 'fail', code: 'nats_unreachable' }]);
  });

  test('that refuses says so', async () => {
    const url = await rawNats('authorization { token: "secret" }\njetstream { store_dir: "{directory}" }');
    const report = await askDoctor('--nats', url);
    expect(report.of('nats')).toMatchObject([{ outcome: 'fail', code: 'nats_refused' }]);
    expect(report.exit).toBe(1);
  });

  test('without JetStream is told from one without a coordinator', async () => {
    const bare = await askDoctor('--nats', await rawNats(''));
    expect(bare.of('jetstream')).toMatchObject([{ outcome: 'fail', code: 'store_unavailable' }]);
    expect(bare.of('jetstream')[0]?.says).toContain('without JetStream');
    expect(bare.of('streams')).toMatchObject([{ outcome: 'skipped' }]);

    const empty = await askDoctor('--nats', await rawNats('jetstream { store_dir: "{directory}" }'));
    expect(empty.of('jetstream')).toMatchObject([{ outcome: 'ok' }]);
    expect(empty.of('streams').length).toBe(7);
    expect(empty.of('streams')[0]).toMatchObject({ outcome: 'fail', code: 'store_damaged' });
    expect(empty.of('coordinator')).toMatchObject([{ outcome: 'fail', code: 'no_coordinator' }]);
  });

  test('that does not let us look at JetStream is no failure', async () => {
    const guarded = await rawNats(`
      jetstream { store_dir: "{directory}" }
      accounts { A { jetstream: enabled, users: [
        { user: guest, password: guest, permissions: { publish: { deny: ["$JS.>"] } } }
      ] } }
      no_auth_user: guest
    `);
    const report = await askDoctor('--nats', guarded);
    expect(report.of('jetstream')).toMatchObject([{ outcome: 'skipped' }]);
    expect(report.of('streams')).toMatchObject([{ outcome: 'skipped' }]);
  });
});

describe('the store', () => {
  test('that has lost its consumer or a stream says which', async () => {
    const fleet = await testFleet();
    const manager = await jetstreamManager(fleet.connection);
    await fleet.coordinator.stop();
    await manager.consumers.delete('CCLI_REPORTS', 'fold');
    const first = await askDoctor('--nats', fleet.nats.url);
    expect(first.of('reports')).toMatchObject([{ outcome: 'fail', code: 'no_coordinator' }]);
    await manager.streams.delete('CCLI_EVENTS');
    const second = await askDoctor('--nats', fleet.nats.url);
    expect(second.of('streams')).toMatchObject([{ outcome: 'fail', code: 'store_damaged' }]);
    expect(second.of('streams')[0]?.says).toContain('CCLI_EVENTS');
  });
});

describe('a node', () => {
  test('that is lost fails, with its agents left alone', async () => {
    const fleet = await testFleet();
    await advertise(fleet, {
      node: 'oak',
      interval_ms: 20,
      agents: [agentStatus({ agent_id: 'oak-gemini' })],
    });
    await nodeIs(fleet, 'oak', 'lost');
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.of('alive', { host: 'oak' })).toMatchObject([{ outcome: 'fail', code: 'node_lost' }]);
    expect(report.of('agent', { agent_id: 'oak-gemini' })).toMatchObject([{ outcome: 'skipped' }]);
    expect(report.of('prompt', { agent_id: 'oak-gemini' })).toMatchObject([{ outcome: 'skipped' }]);
  });

  test('that two daemons claim is contested', async () => {
    const fleet = await testFleet();
    await testNode(fleet.nats, { agents: [scriptedAgent('one')] });
    await testNode(fleet.nats, { agents: [scriptedAgent('one')] });
    await nodeIs(fleet, 'walnut', 'contested');
    const report = await askDoctor('--nats', fleet.nats.url, '--no-prompts');
    const contested = report.of('alive').find(({ says }) => says.includes('Two daemons'));
    expect(contested?.outcome).toBe('fail');
  });

  test('that drains is worth a look', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await fleet.agentReady('one');
    await fleet.call('drain', { node: 'walnut', drain: true });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes[0]?.draining);
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.of('alive')).toMatchObject([{ outcome: 'warn', code: 'draining' }]);
    expect(report.of('prompt')).toMatchObject([{ outcome: 'skipped' }]);
  });

  test('of another version, with another CLI, drifts', async () => {
    const fleet = await testFleet();
    const gemini = (agent_id: string, cli_version: string) =>
      agentStatus({ agent_id, cli_version, enabled: false });
    await advertise(fleet, { node: 'oak', version: '0.0.1', agents: [gemini('oak-gemini', '0.60.0')] }, 300);
    await advertise(
      fleet,
      { node: 'elm', node_js: 'v18.20.0', agents: [gemini('elm-gemini', '0.61.0')] },
      300,
    );
    await nodeIs(fleet, 'oak', 'alive');
    await nodeIs(fleet, 'elm', 'alive');
    const told = (await askDoctor('--nats', fleet.nats.url, '--no-prompts')).of('versions');
    expect(told.map(({ outcome }) => outcome)).toEqual(['warn', 'warn', 'warn']);
    expect(told.map(({ says }) => says).join('\n')).toMatch(
      /oak 0\.0\.1[\s\S]*elm v18\.20\.0[\s\S]*oak 0\.60\.0/,
    );
  });
});

describe('an agent', () => {
  test('whose CLI is missing, and one that nobody signed in, fail with their codes', async () => {
    const fleet = await testFleet();
    const home = await temporaryDirectory();
    await fleet.startNode({
      agents: [
        { id: 'gone', agent_type: 'cli_generic', command: '/nowhere/tool' },
        { id: 'out', agent_type: 'cli_gemini', home },
      ],
    });
    await waitFor(async () => {
      const { agents } = await fleet.call('agents', {});
      return agents.length === 2 && agents.every(({ health }) => health === 'unavailable');
    });
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.of('agent', { agent_id: 'gone' })).toMatchObject([
      { outcome: 'fail', code: 'cli_missing' },
    ]);
    expect(report.of('agent', { agent_id: 'out' })).toMatchObject([
      { outcome: 'fail', code: 'cli_not_signed_in' },
    ]);
    expect(report.of('prompt').every(({ outcome }) => outcome === 'skipped')).toBe(true);
    expect(report.exit).toBe(1);
  });

  test('whose prompts fail is broken, though its CLI is there', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [await shellAgent('mute', 'cat >/dev/null; exit 0')] });
    await fleet.agentReady('mute');
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.of('prompt')).toMatchObject([{ outcome: 'fail', code: 'empty_reply' }]);
    expect(report.of('concurrency')).toEqual([]);
  });

  test('behind a rate limit is worth a look: the real gemini CLI on an API that refuses the second of two at a time', async () => {
    let asked = 0;
    const stub = await startGeminiStub({
      answer: () => {
        asked += 1;
        return asked === 1 ? 'pong' : failures.minute;
      },
    });
    onTestFinished(() => stub.close());
    const fleet = await testFleet();
    await fleet.startNode({
      agents: [{ id: 'walnut-gemini', agent_type: 'cli_gemini', env: stub.environment, max_concurrent: 2 }],
    });
    await fleet.agentReady('walnut-gemini');
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.of('prompt')).toMatchObject([{ outcome: 'ok' }]);
    expect(report.of('concurrency')).toMatchObject([{ outcome: 'warn', code: 'rate_limited' }]);
    expect(report.of('concurrency')[0]?.mend).toContain('--max-concurrent 1');
    // What it has met shows at the next look.
    const again = await askDoctor('--nats', fleet.nats.url);
    expect(again.of('agent')).toMatchObject([{ outcome: 'warn', code: 'rate_limited' }]);
  });

  test('that is not registered where only registered ones work is named', async () => {
    const fleet = await testFleet({ discovered: 'deny' });
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await waitFor(async () => (await fleet.call('agents', {})).agents[0]?.health === 'ready');
    const report = await askDoctor('--nats', fleet.nats.url);
    expect(report.of('agent')).toMatchObject([{ outcome: 'warn', code: 'agent_not_registered' }]);
  });
});

test('Ctrl-C prints what is known by then, and the prompt that was under way is cancelled', async () => {
  const fleet = await testFleet();
  await fleet.startNode({ agents: [await shellAgent('slow', 'cat >/dev/null; exec sleep 600')] });
  await fleet.agentReady('slow');
  const run = fakeIo();
  const code = runCli(['doctor', '--json', '--nats', fleet.nats.url], run.io);
  const task = await waitFor(async () => {
    const [first] = (await fleet.call('list', {})).tasks;
    return first?.status === 'running' && first;
  });
  run.interrupt();
  expect(await code).toBe(130);
  const report = examined(130, run.out());
  expect(report.interrupted).toBe(true);
  expect(report.of('nats')).toMatchObject([{ outcome: 'ok' }]);
  expect(report.of('prompt')).toMatchObject([{ outcome: 'skipped' }]);
  await fleet.reaches(task.task_id, 'cancelled');
  expect(run.listeners()).toBe(0);
});
