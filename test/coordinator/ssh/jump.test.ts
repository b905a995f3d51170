import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { needsSshd, type TestSshd, testSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';
import { failureOf, live, sh, testSsh } from './test-ssh.ts';

/** Two hosts, the second one behind the first, in one configuration. */
async function gateAndInner(
  gate_settings: readonly string[] = [],
): Promise<{ gate: TestSshd; inner: TestSshd; config_file: string }> {
  const gate = await testSshd({ name: 'gate', settings: gate_settings });
  const inner = await testSshd({ name: 'inner', client: ['ProxyJump gate'] });
  const config_file = join(inner.directory, 'both');
  const parts = await Promise.all([gate, inner].map(({ config_file: file }) => readFile(file, 'utf8')));
  await writeFile(config_file, parts.join('\n'));
  return { gate, inner, config_file };
}

describe('a host behind another one', () => {
  needsSshd('a real one is spoken to');
  test('is reached through it, with settings, key and check of its own for each', async () => {
    const { gate, inner, config_file } = await gateAndInner();
    const ssh = testSsh(config_file);
    const host = ssh.host('inner');
    expect(await host.target()).toMatchObject({ port: inner.port, jumps: ['gate'] });
    expect((await sh(host, 'echo "$HOME"')).stdout).toBe(`${inner.home}\n`);
    await host.sftp(
      files => files.write(join(inner.home, 'file'), Buffer.alloc(3_000_000), { mode: 0o600 }),
      live(),
    );
    expect((await readFile(join(inner.home, 'file'))).length).toBe(3_000_000);
    expect(gate.log()).toContain('Accepted publickey');
    expect(inner.log()).toContain('Accepted publickey');
    expect(ssh.counts()).toMatchObject([{ host: 'inner', connections: 1 }]);
    await ssh.close();
    await waitFor(() => /Disconnected from|Connection closed by|Connection reset by/.test(gate.log()));
  });

  test('is probed with timings of its own', async () => {
    const { config_file } = await gateAndInner();
    const { connect_ms, handshake_ms, auth_ms } = await testSsh(config_file).host('inner').probe(live());
    expect(Math.min(connect_ms, handshake_ms, auth_ms)).toBeGreaterThan(0);
  });

  test('is not reached past a jump host whose key is unknown', async () => {
    const { gate, config_file } = await gateAndInner();
    await writeFile(gate.known_hosts_file, '');
    const error = await failureOf(sh(testSsh(config_file).host('inner'), 'true'));
    expect(error.code).toBe('ssh_host_key_unknown');
    expect(error.message).toMatch(/^gate shows/);
  });

  test('says so when the jump host forwards nothing', async () => {
    const { config_file } = await gateAndInner(['AllowTcpForwarding no']);
    const error = await failureOf(sh(testSsh(config_file).host('inner'), 'true'));
    expect(error.code).toBe('ssh_unreachable');
    expect(error.message).toContain('from gate');
  });

  test('says so when it is down itself', async () => {
    const { inner, config_file } = await gateAndInner();
    await inner.kill();
    const error = await failureOf(sh(testSsh(config_file).host('inner'), 'true'));
    expect(error.code).toBe('ssh_unreachable');
    expect(error.message).toMatch(/^inner/);
  });

  test('is lost with the jump host, and found again with it', async () => {
    const { gate, config_file } = await gateAndInner();
    const host = testSsh(config_file).host('inner');
    const process = await host.open({ argv: ['cat'] }, live());
    await gate.kill();
    expect((await failureOf(process.ended)).code).toBe('ssh_connection_lost');
    await gate.restart();
    expect((await sh(host, 'echo back')).stdout).toBe('back\n');
  });

  test('is lost alone, too', async () => {
    const { inner, config_file } = await gateAndInner();
    const host = testSsh(config_file).host('inner');
    const process = await host.open({ argv: ['cat'] }, live());
    await inner.kill();
    expect((await failureOf(process.ended)).code).toBe('ssh_connection_lost');
    await inner.restart();
    expect((await sh(host, 'echo back')).stdout).toBe('back\n');
  });
});
