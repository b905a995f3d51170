import { execFile } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { makeKey, needsSshd } from '../../support/sshd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { failureOf, live, sh, testHost } from './test-ssh.ts';

const run = promisify(execFile);

async function fingerprintOf(public_key_file: string): Promise<string> {
  const { stdout } = await run('ssh-keygen', ['-lf', public_key_file]);
  return stdout.split(' ')[1] ?? '';
}

describe('the key of a host', () => {
  needsSshd('a real one is spoken to');
  test('that is known is accepted, and named with its fingerprint', async () => {
    const { sshd, host } = await testHost();
    const { host_key } = await host.probe(live());
    expect(host_key).toBe(`ssh-ed25519 ${await fingerprintOf(`${sshd.host_key_file}.pub`)}`);
  });

  test('that is unknown is refused, with a command that makes exactly this key known', async () => {
    const { sshd, host } = await testHost();
    await writeFile(sshd.known_hosts_file, '');
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_host_key_unknown');
    expect(error.message).toContain(await fingerprintOf(`${sshd.host_key_file}.pub`));
    const [, command = ''] = /run: (echo .* >> \S+)/.exec(error.message) ?? [];
    await run('sh', ['-c', command]);
    await host.probe(live());
  });

  test('that is unknown is refused also where the configuration would take it', async () => {
    const { sshd, host } = await testHost({ sshd: { client: ['StrictHostKeyChecking no'] } });
    await writeFile(sshd.known_hosts_file, '');
    const error = await failureOf(sh(host, 'true'));
    expect(error.code).toBe('ssh_host_key_unknown');
    expect(error.message).toContain('StrictHostKeyChecking');
    expect(await readFile(sshd.known_hosts_file, 'utf8')).toBe('');
  });

  test('that has changed is refused with both fingerprints, the line, and what to run when it is right', async () => {
    const { sshd, host } = await testHost();
    const old = await fingerprintOf(`${sshd.host_key_file}.pub`);
    await sshd.restart({ new_key: true });
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_host_key_changed');
    expect(error.message).toContain(old);
    expect(error.message).toContain(await fingerprintOf(`${sshd.host_key_file}.pub`));
    expect(error.message).toContain(`${sshd.known_hosts_file}:1`);
    const [, remove = '', add = ''] = /first: (.*); then .* run: (.*)$/.exec(error.message) ?? [];
    await run('sh', ['-c', `${remove} && ${add}`]);
    await host.probe(live());
  });

  test('that is revoked is refused though it is known', async () => {
    const { sshd, host } = await testHost();
    await appendFile(
      sshd.known_hosts_file,
      `@revoked * ${await readFile(`${sshd.host_key_file}.pub`, 'utf8')}`,
    );
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_host_key_revoked');
    expect(error.message).toContain(`${sshd.known_hosts_file}:2`);
  });

  test('that only a certificate authority vouches for is refused clearly', async () => {
    const { sshd, host } = await testHost();
    const authority = join(sshd.directory, 'authority');
    await makeKey(authority);
    await writeFile(sshd.known_hosts_file, `@cert-authority * ${await readFile(`${authority}.pub`, 'utf8')}`);
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_config_unsupported');
    expect(error.message).toContain('certificate');
  });

  test.each(['rsa', 'ecdsa'])('of a host with several is the one that is known: %s', async type => {
    const file = join(await temporaryDirectory(), 'key');
    await makeKey(file, '', type);
    const { sshd, host } = await testHost({ sshd: { settings: [`HostKey ${file}`] } });
    const public_key = await readFile(`${file}.pub`, 'utf8');
    await writeFile(sshd.known_hosts_file, `[127.0.0.1]:${sshd.port} ${public_key}`);
    expect((await host.probe(live())).host_key).toBe(
      `${public_key.split(' ')[0] ?? ''} ${await fingerprintOf(`${file}.pub`)}`,
    );
  });

  test('is found under an alias, and in hashed lines', async () => {
    const { sshd, host } = await testHost({ sshd: { client: ['HostKeyAlias nut'] } });
    await writeFile(sshd.known_hosts_file, `nut ${await readFile(`${sshd.host_key_file}.pub`, 'utf8')}`);
    await run('ssh-keygen', ['-q', '-H', '-f', sshd.known_hosts_file]);
    await host.probe(live());
  });

  test('cannot be checked when its file cannot be read, and that is said', async () => {
    const { host } = await testHost({ settings: { known_hosts_files: ['/proc/self'] } });
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_config_unsupported');
    expect(error.message).toContain('/proc/self');
  });
});
