import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BaselineSchema } from '../../../coordinator/baseline/baseline.ts';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import { scriptedAgent, type TestFleet, testFleet } from '../../support/fleet.ts';
import { type GeminiStub, gate, refusals, startGeminiStub } from '../../support/gemini-stub.ts';
import { makeNvmHome } from '../../support/node-builds.ts';
import { sshStage } from '../../support/ssh-stage.ts';
import { needsSshd, testSshd } from '../../support/sshd.ts';
import { killed } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ccli, fakeIo } from './support/fake-io.ts';

interface Bench {
  readonly fleet: TestFleet;
  readonly stub: GeminiStub;
  /** Where the fleet is. */
  readonly at: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly saved: (name: string) => Promise<string[]>;
}

async function withGemini(over: Record<string, unknown> = {}): Promise<Bench> {
  const stub = await startGeminiStub({ answer: () => 'OK' });
  onTestFinished(() => stub.close());
  const fleet = await testFleet();
  const agent = {
    id: 'walnut-gemini',
    agent_type: 'cli_gemini',
    model: 'gemini-2.5-pro',
    env: stub.environment,
  };
  await fleet.startNode({ agents: [{ ...agent, ...over }] });
  await fleet.agentReady('walnut-gemini');
  const state = await temporaryDirectory();
  return {
    fleet,
    stub,
    at: ['--nats', fleet.nats.url],
    environment: { XDG_STATE_HOME: state },
    saved: async name => await readdir(join(state, 'ccli', 'bench', name)).catch(() => []),
  };
}

const report = (text: string) => {
  const { baseline, ...rest } = JSON.parse(text) as Record<string, unknown>;
  return { baseline: BaselineSchema.parse(baseline), ...rest };
};

describe('ccli bench of a real gemini', () => {
  test('measures it warm, cold and several at a time, says how many calls that takes, and saves it', async () => {
    const { stub, at, environment, saved } = await withGemini();
    const { code, out, err } = await ccli(['bench', ...at, 'walnut-gemini', '--runs', '2'], { environment });
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(out).toMatch(/^walnut-gemini .*acp on walnut, over NATS/);
    expect(out).toMatch(/\nwarm, first chunk +[\d.]+ ms/);
    expect(out).toMatch(/\nwarm, whole answer +[\d.]+ ms +[\d.]+ ms +[\d.]+ ms +2 /);
    expect(out).toMatch(/\n2 at a time +[\d.]+ ms +[\d.]+ ms +[\d.]+ ms +4 /);
    expect(out).toMatch(/\ncold, whole answer +[\d.]+ (ms|s) /);
    // 1 to warm up, 2 warm, 4 of the two at a time, 2 cold.
    expect(err).toContain('9 prompts will be sent');
    expect(stub.requests).toHaveLength(9);
    expect(await saved('walnut-gemini')).toHaveLength(1);
  });

  test('holds the second baseline against the first, and ends with 0 also when it is slower', async () => {
    const { stub, at, environment } = await withGemini();
    const args = ['bench', ...at, 'walnut-gemini', '--runs', '4', '--concurrency', '1', '--json', '--yes'];
    expect((await ccli(args, { environment })).code).toBe(0);
    stub.answer(async () => {
      // What the model takes longer is what has to be seen.
      await new Promise(resolve => setTimeout(resolve, 500));
      return 'OK';
    });
    const { code, out } = await ccli(args, { environment });
    expect(code).toBe(0);
    expect(report(out)).toMatchObject({
      comparisons: [{ kind: 'warm', verdict: 'slower' }, { kind: 'cold' }],
    });
  });

  test('counts runs that failed by their code, and gives up after three in a row', async () => {
    const { stub, at, environment, saved } = await withGemini();
    stub.answer(() => refusals.keyInvalid);
    const args = ['bench', ...at, 'walnut-gemini', '--runs', '8', '--concurrency', '1', '--yes', '--json'];
    const { code, out } = await ccli(args, { environment });
    const { baseline } = report(out);
    expect(baseline.series[0]).toMatchObject({ kind: 'warm', whole_ms: [], failures: { auth_refused: 3 } });
    // It could not measure anything, and says why.
    expect(code).toBe(7);
    expect(await saved('walnut-gemini')).toEqual([]);
  });

  test('Ctrl-C cancels what runs, and nothing is kept', async () => {
    const { fleet, stub, at, environment, saved } = await withGemini();
    const held = gate();
    stub.answer(async () => {
      await held.opened;
      return 'OK';
    });
    const run = fakeIo({ environment });
    const ended = runCli(['bench', ...at, 'walnut-gemini', '--runs', '3'], run.io);
    await stub.received(1);
    run.interrupt();
    expect(await ended).toBe(130);
    held.open();
    expect(run.err()).toContain('nothing was kept');
    const { tasks } = await fleet.call('list', {});
    expect(tasks.map(({ status }) => status)).toEqual(['cancelled']);
    expect(await saved('walnut-gemini')).toEqual([]);
    expect(run.listeners()).toBe(0);
  });
});

describe('ccli bench', () => {
  const withScripted = async (...agents: string[]) => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: agents.map(id => scriptedAgent(id)) });
    for (const id of agents) await fleet.agentReady(id);
    return {
      fleet,
      at: ['--nats', fleet.nats.url],
      environment: { XDG_STATE_HOME: await temporaryDirectory() },
    };
  };

  test('into a pipe refuses more than 20 calls without --yes, before it sends any', async () => {
    const { fleet, at, environment } = await withScripted('walnut-echo');
    const args = ['bench', ...at, 'walnut-echo', '--runs', '30'];
    const { code, err } = await ccli(args, { environment });
    expect(code).toBe(2);
    expect(err).toContain('60 prompts will be sent');
    expect(err).toContain('--yes');
    expect((await fleet.call('list', {})).tasks).toEqual([]);
  });

  test('on a terminal asks first, and no is a no', async () => {
    const { fleet, at, environment } = await withScripted('walnut-echo');
    const args = ['bench', ...at, 'walnut-echo', '--runs', '1', '--no-save', '--concurrency', '1'];
    const refused = await ccli(args, { environment, tty: true, stdinTty: true, stdin: 'n\n' });
    expect(refused).toMatchObject({ code: 130 });
    expect(refused.err).toContain('1 prompt will be sent, each a call of a model at least. Go on? [y/N]');
    expect((await fleet.call('list', {})).tasks).toEqual([]);
    const agreed = await ccli(args, { environment, tty: true, stdinTty: true, stdin: 'yes\n' });
    expect(agreed).toMatchObject({ code: 0 });
    expect((await fleet.call('list', {})).tasks).toHaveLength(1);
  });

  test('of a node measures all its agents, and says that its SSH could not be', async () => {
    const { at, environment } = await withScripted('walnut-one', 'walnut-two');
    const config = join(await temporaryDirectory(), 'ssh_config');
    await writeFile(config, 'Host walnut\n  HostName 127.0.0.1\n  Port 1\n  IdentityAgent none\n');
    const args = [
      'bench',
      ...at,
      'walnut',
      '--runs',
      '1',
      '--concurrency',
      '1',
      '--ssh-config',
      config,
      '--json',
    ];
    const { code, out } = await ccli(args, { environment });
    const { baseline } = report(out);
    expect(code).toBe(0);
    expect(baseline.series.map(({ subject, kind }) => `${subject} ${kind}`)).toEqual([
      'walnut-one cold',
      'walnut-two cold',
    ]);
    expect(baseline.notes.join('\n')).toContain('not measured over SSH');
  });

  test('compares with the file that --compare names, and refuses one that is no baseline', async () => {
    const { at, environment } = await withScripted('walnut-echo');
    const args = ['bench', ...at, 'walnut-echo', '--runs', '4', '--concurrency', '1', '--json', '--yes'];
    const first = JSON.parse((await ccli(args, { environment })).out) as { file: string };
    const again = await ccli([...args, '--no-save', '--compare', first.file], { environment });
    expect(report(again.out)).toMatchObject({ comparisons: [{ kind: 'cold', at_a_time: 1 }] });
    const file = join(await temporaryDirectory(), 'other.json');
    await writeFile(file, '{}');
    expect(await ccli([...args, '--compare', file], { environment })).toMatchObject({ code: 2 });
    expect(JSON.parse(await readFile(first.file, 'utf8'))).toMatchObject({ v: 1, name: 'walnut-echo' });
  });

  test('of a name that nothing in the fleet has takes it for a host, and says both', async () => {
    const { at, environment } = await withScripted('walnut-echo');
    const config = join(await temporaryDirectory(), 'ssh_config');
    await writeFile(config, 'Host wlanut\n  HostName 127.0.0.1\n  Port 1\n  IdentityAgent none\n');
    const { code, err } = await ccli(['bench', ...at, 'wlanut', '--ssh-config', config], { environment });
    expect(code).toBe(4);
    expect(err).toContain('No agent or node is called "wlanut"');
    expect(err).toContain('ssh_unreachable');
  });
});

describe('ccli bench of a host over SSH', () => {
  needsSshd('a real one is spoken to');
  /** A host as nvm leaves it, with a gemini that somebody has signed in with a key. */
  const host = async (stub: GeminiStub, versions: readonly string[] = ['22.14.0']) => {
    const home = await temporaryDirectory();
    await makeNvmHome(join(home, '.nvm'), { versions, gemini: versions });
    await mkdir(join(home, '.gemini'));
    const settings = { security: { auth: { selectedType: 'gemini-api-key' } } };
    await writeFile(join(home, '.gemini', 'settings.json'), JSON.stringify(settings));
    return await testSshd({ home, environment: stub.environment });
  };

  test('measures connecting, an empty command and the CLI there, without any fleet', async () => {
    const stub = await startGeminiStub({ answer: () => 'OK' });
    onTestFinished(() => stub.close());
    const sshd = await host(stub);
    const environment = { XDG_STATE_HOME: await temporaryDirectory() };
    const args = ['bench', '--ssh', 'walnut', '--ssh-config', sshd.config_file, '--runs', '2', '--json'];
    const { code, out, err } = await ccli([...args, '--model', 'gemini-2.5-pro'], { environment });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { baseline } = report(out);
    expect(baseline.series.map(({ kind, whole_ms, failures }) => [kind, whole_ms.length, failures])).toEqual([
      ['ssh_connect', 2, {}],
      ['ssh_command', 2, {}],
      ['ssh_cli', 2, {}],
    ]);
    expect(baseline.series.at(-1)?.versions).toEqual({ cli: '0.61.0', 'node.js': 'v22.14.0' });
    expect(stub.requests.map(({ prompt }) => prompt)).toEqual(
      Array.from({ length: 2 }, () => 'Reply with the single word OK.'),
    );
  });

  test('counts what its CLI ends with by code, and still measures SSH itself', async () => {
    const stub = await startGeminiStub({ answer: () => refusals.keyInvalid });
    onTestFinished(() => stub.close());
    const sshd = await host(stub);
    const args = ['bench', '--ssh', 'walnut', '--ssh-config', sshd.config_file, '--runs', '1', '--no-save'];
    const { code, out } = await ccli([...args, '--model', 'gemini-2.5-pro', '--json'], {});
    expect(code).toBe(0);
    expect(report(out).baseline.series.at(-1)).toMatchObject({
      kind: 'ssh_cli',
      whole_ms: [],
      failures: { auth_refused: 1 },
    });
  });

  test('without a gemini says so, and measures SSH itself', async () => {
    const sshd = await testSshd({ environment: { PATH: '/usr/bin:/bin' } });
    const args = ['bench', '--ssh', 'walnut', '--ssh-config', sshd.config_file, '--runs', '1', '--no-save'];
    const { code, out } = await ccli(args, {});
    expect(code).toBe(0);
    expect(out).toContain('new SSH connection');
    expect(out).toContain('empty command by SSH');
    expect(out).toContain('no gemini that could be run there was found');
  });

  test('a host whose key is not known ends with the code of that', async () => {
    const sshd = await testSshd();
    await writeFile(sshd.known_hosts_file, '');
    const args = ['bench', '--ssh', 'walnut', '--ssh-config', sshd.config_file];
    const { code, err } = await ccli(args, {});
    expect(code).toBe(7);
    expect(err).toContain('ssh_host_key_unknown');
  });

  test('an agent that is reached over SSH is measured that way, and never held against NATS', async () => {
    const fleet = await sshStage();
    await fleet.startCoordinator();
    await fleet.agentIs('free', ({ available }) => available);
    const environment = { XDG_STATE_HOME: await temporaryDirectory() };
    const args = ['bench', '--nats', fleet.nats.url, 'walnut-echo', '--runs', '4', '--concurrency', '1'];
    expect(report((await ccli([...args, '--json'], { environment })).out).baseline.series).toMatchObject([
      { conditions: { transport: 'nats' } },
    ]);
    await killed(fleet.walnut.daemon);
    await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
    const by_ssh = await ccli([...args, '--json'], { environment });
    expect(by_ssh.code).toBe(0);
    expect(report(by_ssh.out)).toMatchObject({
      baseline: { series: [{ conditions: { transport: 'ssh' }, failures: {} }] },
      comparisons: [],
    });
  });
});
