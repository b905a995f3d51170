/** `ccli doctor HOST` over a real sshd: hosts that let nobody in, bare ones, and one with a node-agent. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { readBundle } from '../../../coordinator/bundle/read.ts';
import { lockHolder } from '../../../protocol/daemon/lock.ts';
import { VERSION } from '../../../protocol/daemon/version.ts';
import { built } from '../../support/built.ts';
import { scriptedAgent, testFleet, testNode } from '../../support/fleet.ts';
import { runs } from '../../support/running.ts';
import { findSshd, makeKey, type TestSshd, testSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';
import { askDoctor } from './support/ask-doctor.ts';

const run = promisify(execFile);
const sshd_is_missing = (await findSshd()) === undefined;

beforeEach(({ skip }) => {
  if (sshd_is_missing) skip('needs sshd: the host is one');
});

/** Nobody's fleet, unless a test has one. */
const doctorOf = (sshd: TestSshd, ...flags: readonly string[]) =>
  askDoctor(sshd.name, '--ssh-config', sshd.config_file, ...flags);

/** What it would install, where it can. */
const version = await readBundle().then(
  bundle => bundle.version,
  () => VERSION,
);

/** What `ccli bootstrap` puts there, as far as a doctor looks at it. */
async function install(home: string, settings: Record<string, unknown>): Promise<string> {
  const share = join(home, '.local', 'share', 'ccli');
  const program = join(share, 'versions', version, 'bin');
  const state_dir = join(home, '.local', 'state', 'ccli', 'node-agent');
  await mkdir(program, { recursive: true });
  await mkdir(join(home, '.local', 'bin'), { recursive: true });
  await mkdir(join(home, '.config', 'ccli'), { recursive: true, mode: 0o700 });
  const script = `#!/bin/sh\nexec '${process.execPath}' '${built('node-agent/program.ts')}' "$@"\n`;
  await writeFile(join(program, 'ccli'), script);
  await chmod(join(program, 'ccli'), 0o755);
  await run('ln', ['-s', `versions/${version}`, join(share, 'current')]);
  await run('ln', ['-s', '../share/ccli/current/bin/ccli', join(home, '.local', 'bin', 'ccli')]);
  await writeFile(join(home, '.config', 'ccli', 'node'), `${process.execPath}\n`);
  await writeFile(
    join(home, '.config', 'ccli', 'node-agent.yaml'),
    stringify({ node: 'walnut', state_dir, ...settings }),
  );
  // Whatever stands in for a daemon ends by itself after a while; a test does not wait for that.
  onTestFinished(async () => {
    const pid = (await lockHolder(state_dir, 'node-agent').catch(() => undefined))?.pid;
    if (pid === undefined || pid === process.pid) return;
    process.kill(pid, 'SIGTERM');
    await waitFor(() => !runs(pid), { what: 'the end of the stand-in' });
  });
  return state_dir;
}

const pidsIn = async (file: string): Promise<number[]> =>
  (await readFile(file, 'utf8')).trim().split('\n').map(Number);

describe('a host that lets nobody in', () => {
  test('and is asleep is unreachable, and nothing more is looked at', async () => {
    const sshd = await testSshd();
    await sshd.kill();
    const report = await doctorOf(sshd);
    expect(report.of('ssh')).toMatchObject([{ host: 'walnut', outcome: 'fail', code: 'ssh_unreachable' }]);
    expect(report.of('preflight')).toMatchObject([{ outcome: 'skipped' }]);
    expect(report.of('nats')).toMatchObject([{ outcome: 'skipped' }]);
    expect(report.exit).toBe(1);
  });

  test('because nobody knows its key', async () => {
    const sshd = await testSshd();
    await writeFile(sshd.known_hosts_file, '');
    const report = await doctorOf(sshd);
    expect(report.of('host_key')).toMatchObject([{ outcome: 'fail', code: 'ssh_host_key_unknown' }]);
    expect(report.of('ssh')).toEqual([]);
  });

  test('because its key is another than before', async () => {
    const sshd = await testSshd();
    await sshd.restart({ new_key: true });
    const report = await doctorOf(sshd);
    expect(report.of('host_key')).toMatchObject([{ outcome: 'fail', code: 'ssh_host_key_changed' }]);
  });

  test('because it takes none of our keys', async () => {
    const sshd = await testSshd();
    await run('rm', [sshd.identity_file, `${sshd.identity_file}.pub`]);
    await makeKey(sshd.identity_file);
    const report = await doctorOf(sshd);
    expect(report.of('ssh')).toMatchObject([{ outcome: 'fail', code: 'ssh_auth_failed' }]);
  });
});

describe('a host that lets us in', () => {
  test('and is bare tells what is there, and that nothing is installed', async () => {
    const sshd = await testSshd();
    const report = await doctorOf(sshd);
    expect(report.of('ssh')[0]).toMatchObject({ outcome: 'ok', took_ms: expect.any(Number) as number });
    expect(report.of('ssh')[0]?.says).toMatch(
      /resolve \d+ ms, connect \d+ ms, handshake \d+ ms, auth \d+ ms/,
    );
    expect(report.of('host_key')[0]?.says).toContain('SHA256:');
    expect(report.of('system')).toMatchObject([{ host: 'walnut', outcome: 'ok' }]);
    expect(report.of('clock')).toMatchObject([{ outcome: 'ok' }]);
    expect(report.of('gemini').length).toBe(1);
    expect(report.of('installed')).toMatchObject([{ outcome: 'warn', code: 'node_not_installed' }]);
    expect(report.of('installed')[0]?.mend).toContain('ccli bootstrap walnut');
    expect([...report.of('unit'), ...report.of('fallback')]).toEqual([]);
  });

  test('and has a node-agent that runs is looked at from both sides', async () => {
    const fleet = await testFleet();
    const sshd = await testSshd();
    const agents = [scriptedAgent('one', { max_concurrent: 2 })];
    const state_dir = await install(sshd.home, { agents, nats: { url: fleet.nats.url } });
    await testNode(fleet.nats, { agents, state_dir });
    await testNode(fleet.nats, { node: 'oak', agents: [scriptedAgent('other')] });
    await fleet.agentReady('one');
    await fleet.agentReady('other');
    const report = await doctorOf(sshd, '--nats', fleet.nats.url);
    for (const check of ['installed', 'config', 'node_js', 'state', 'daemon', 'disk', 'nats', 'fallback'])
      expect(new Set(report.of(check, { host: 'walnut' }).map(({ outcome }) => outcome)), check).toEqual(
        new Set(['ok']),
      );
    expect(report.of('fallback')[0]?.says).toContain('its daemon says hello as walnut');
    expect(report.of('agent', { host: 'walnut', agent_id: 'one' }).length).toBe(2);
    expect(report.of('prompt')).toMatchObject([{ host: 'walnut', agent_id: 'one', outcome: 'ok' }]);
    // Nobody asked about that one.
    expect(report.of('alive')).toMatchObject([{ host: 'walnut' }]);
    // The daemon of this test runs in the test's own process: nothing on the host starts it.
    expect(report.of('unit')).toMatchObject([{ outcome: 'fail' }]);
  });

  test('and has a node-agent that is down and cut off says so, and that tasks still reach it', async () => {
    const sshd = await testSshd();
    await install(sshd.home, { agents: [scriptedAgent('one')], nats: { url: 'nats://127.0.0.1:9' } });
    const report = await doctorOf(sshd);
    expect(report.of('nats', { host: 'walnut' })).toMatchObject([
      { outcome: 'fail', code: 'nats_unreachable' },
    ]);
    expect(report.of('fallback')).toMatchObject([{ outcome: 'ok' }]);
    expect(report.of('fallback')[0]?.says).toContain('stand-in');
    expect(report.exit).toBe(1);
  });

  test('and is cut off while it is looked at loses what had not ended, and nothing else', async () => {
    const sshd = await testSshd();
    await install(sshd.home, {});
    const reached = join(sshd.home, 'reached');
    await writeFile(
      join(sshd.home, '.local', 'share', 'ccli', 'versions', version, 'bin', 'ccli'),
      `#!/bin/sh\necho $$ >>'${reached}'\nexec sleep 600\n`,
    );
    const asked = doctorOf(sshd);
    // Both that ask it are on their way.
    await waitFor(async () => (await pidsIn(reached)).length === 2);
    await sshd.kill();
    const report = await asked;
    // A host that lives on without its sshd has them still.
    for (const pid of await pidsIn(reached)) if (runs(pid)) process.kill(pid, 'SIGKILL');
    expect(report.of('ssh')).toMatchObject([{ outcome: 'ok' }]);
    expect(report.of('installed')).toMatchObject([{ outcome: 'ok' }]);
    for (const check of ['node_check', 'fallback'])
      expect(report.of(check), check).toMatchObject([{ outcome: 'fail' }]);
    expect(report.of('node_check')[0]?.code).toBe('ssh_connection_lost');
  });
});
