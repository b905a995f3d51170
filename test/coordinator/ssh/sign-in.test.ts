import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { makeKey, needsSshd, type TestSshd } from '../../support/sshd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { failureOf, live, sh, testHost, testSsh } from './test-ssh.ts';

const run = promisify(execFile);

/** Replaces the key that the host accepts; the client's configuration names its file. */
async function useKey(sshd: TestSshd, type: string, passphrase = ''): Promise<void> {
  await rm(sshd.identity_file);
  await rm(`${sshd.identity_file}.pub`);
  await makeKey(sshd.identity_file, passphrase, type);
  await rename(`${sshd.identity_file}.pub`, join(sshd.directory, 'authorized_keys'));
}

/** A real ssh-agent with these keys; its socket. */
async function testAgent(...key_files: readonly string[]): Promise<string> {
  const socket = join(await temporaryDirectory(), 'agent');
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    const closed = once(agent, 'close');
    agent.kill();
    await closed;
  });
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  await waitFor(
    () =>
      run('ssh-add', ['-l'], { env }).then(
        () => true,
        (error: unknown) => error instanceof Error && 'code' in error && error.code === 1,
      ),
    { what: 'ssh-agent' },
  );
  for (const file of key_files) await run('ssh-add', ['-q', file], { env });
  return socket;
}

describe('signing in', () => {
  needsSshd('a real one is spoken to');
  test.each(['ed25519', 'ecdsa', 'rsa'])('with a key file of type %s', async type => {
    const { sshd, host } = await testHost();
    await useKey(sshd, type);
    await host.probe(live());
    expect(sshd.log()).toContain(`Accepted publickey for ${(await host.target()).user}`);
  });

  test('with an old PEM key', async () => {
    const { sshd, host } = await testHost();
    await useKey(sshd, 'rsa');
    await run('ssh-keygen', ['-q', '-p', '-m', 'PEM', '-N', '', '-f', sshd.identity_file]);
    expect(await readFile(sshd.identity_file, 'utf8')).toContain('BEGIN RSA PRIVATE KEY');
    await host.probe(live());
  });

  test('with a key file that ccli is given', async () => {
    const { sshd, ssh } = await testHost();
    const own = join(sshd.directory, 'own');
    await rename(sshd.identity_file, own);
    expect((await failureOf(ssh.host('walnut').probe(live()))).message).toContain('no such file');
    const other = testSsh(sshd.config_file, { settings: { identity_files: [own] } });
    await other.host('walnut').probe(live());
  });

  test.each(['ed25519', 'rsa'])('with a key of type %s that only an agent holds', async type => {
    const { sshd } = await testHost({ sshd: { client: [] } });
    await useKey(sshd, type);
    const socket = await testAgent(sshd.identity_file);
    await rm(sshd.identity_file);
    const config = join(sshd.directory, 'agent_config');
    await writeFile(
      config,
      (await readFile(sshd.config_file, 'utf8')).replace(
        / {2}(IdentityAgent|IdentitiesOnly|IdentityFile) .*\n/g,
        '',
      ),
    );
    await testSsh(config, { environment: { SSH_AUTH_SOCK: socket } })
      .host('walnut')
      .probe(live());
    // IdentityAgent wins over the variable.
    await appendFile(config, `  IdentityAgent ${socket}\n`);
    await testSsh(config).host('walnut').probe(live());
  });

  test('with IdentitiesOnly, an agent signs for the key that is named, and no other is offered', async () => {
    const { sshd } = await testHost();
    const other = join(sshd.directory, 'other');
    await makeKey(other);
    const socket = await testAgent(other, sshd.identity_file);
    // The private half is in the agent alone; the file is its public one.
    await writeFile(sshd.identity_file, await readFile(`${sshd.identity_file}.pub`));
    const config = (await readFile(sshd.config_file, 'utf8')).replace(
      'IdentityAgent none',
      `IdentityAgent ${socket}`,
    );
    await writeFile(sshd.config_file, config);
    await testSsh(sshd.config_file).host('walnut').probe(live());
    expect(sshd.log()).not.toContain('Failed publickey');
    await run('ssh-add', ['-q', '-d', sshd.identity_file], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
    });
    const error = await failureOf(testSsh(sshd.config_file).host('walnut').probe(live()));
    expect(error.code).toBe('ssh_auth_failed');
    expect(error.message).toContain('no agent holds its private half');
  });

  test('with an agent that is not there says so, and goes on with the files', async () => {
    const { sshd, host } = await testHost();
    const config = (await readFile(sshd.config_file, 'utf8')).replace(
      'IdentityAgent none',
      'IdentityAgent /nowhere/agent',
    );
    await writeFile(sshd.config_file, config);
    await host.probe(live());
    await writeFile(join(sshd.directory, 'authorized_keys'), '');
    expect((await failureOf(host.probe(live()))).message).toContain('/nowhere/agent');
  });

  test('is refused by name of what was offered', async () => {
    const { sshd, host } = await testHost();
    await writeFile(join(sshd.directory, 'authorized_keys'), '');
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_auth_failed');
    expect(error.message).toContain(sshd.identity_file);
    expect(error.message).toContain('authorized_keys');
  });

  test.each([
    ['others can read', (file: string) => chmod(file, 0o644), 'chmod 600'],
    ['is no key', (file: string) => writeFile(file, 'nonsense'), 'no key of a kind'],
    ['is not there', (file: string) => rm(file), 'no such file'],
  ])('leaves out a key file that %s, and says why', async (_what, spoil, said) => {
    const { sshd, host } = await testHost();
    await spoil(sshd.identity_file);
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_auth_failed');
    expect(error.message).toContain(sshd.identity_file);
    expect(error.message).toContain(said);
  });

  test('says when the host breaks off because too many keys were offered', async () => {
    const { sshd, host } = await testHost({ sshd: { settings: ['MaxAuthTries 2'] } });
    const others = ['a', 'b', 'c', 'd'].map(name => join(sshd.directory, name));
    for (const other of others) await makeKey(other);
    const ssh = testSsh(sshd.config_file, { settings: { identity_files: others } });
    const error = await failureOf(ssh.host('walnut').probe(live()));
    expect(error.code).toBe('ssh_auth_failed');
    expect(error.message).toContain('IdentitiesOnly');
    await host.probe(live());
  });

  test('says when the host wants something else than keys', async () => {
    const { host } = await testHost({
      sshd: {
        settings: ['Match all', 'PasswordAuthentication yes', 'PubkeyAuthentication no'],
      },
    });
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_auth_failed');
    expect(error.message).toContain('It wants password');
  });

  describe('with an encrypted key', () => {
    const PASSPHRASE = 'correct horse';

    test.each([
      ['ed25519', []],
      ['rsa', ['-m', 'PEM']],
    ])('of type %s %j reads its passphrase from a file', async (type, format) => {
      const { sshd } = await testHost();
      await useKey(sshd, type, PASSPHRASE);
      if (format.length > 0)
        await run('ssh-keygen', [
          '-q',
          '-p',
          ...format,
          '-P',
          PASSPHRASE,
          '-N',
          PASSPHRASE,
          '-f',
          sshd.identity_file,
        ]);
      const passphrase_file = join(sshd.directory, 'passphrase');
      await writeFile(passphrase_file, `${PASSPHRASE}\nnothing of this\n`);
      await testSsh(sshd.config_file, { settings: { passphrase_file } }).host('walnut').probe(live());
    });

    test('asks once, however many connections want it', async () => {
      const { sshd } = await testHost();
      await useKey(sshd, 'ed25519', PASSPHRASE);
      const askPassphrase = vi.fn(() => Promise.resolve(PASSPHRASE));
      const host = testSsh(sshd.config_file, { askPassphrase }).host('walnut');
      await Promise.all([host.probe(live()), host.probe(live()), sh(host, 'true')]);
      expect(askPassphrase.mock.calls).toEqual([[sshd.identity_file]]);
    });

    test('asks again after a wrong one, and no more than three times', async () => {
      const { sshd } = await testHost();
      await useKey(sshd, 'ed25519', PASSPHRASE);
      const typed = ['wrong', PASSPHRASE];
      await testSsh(sshd.config_file, { askPassphrase: () => Promise.resolve(typed.shift()) })
        .host('walnut')
        .probe(live());
      const askPassphrase = vi.fn(() => Promise.resolve('wrong'));
      const error = await failureOf(
        testSsh(sshd.config_file, { askPassphrase }).host('walnut').probe(live()),
      );
      expect(error.code).toBe('ssh_key_locked');
      expect(askPassphrase).toHaveBeenCalledTimes(3);
    });

    test('waits for whoever types it longer than any step may take', async () => {
      const { sshd } = await testHost();
      await useKey(sshd, 'ed25519', PASSPHRASE);
      const askPassphrase = async (): Promise<string> => {
        // Longer than a step may take, which is the point.
        await delay(1_500);
        return PASSPHRASE;
      };
      const ssh = testSsh(sshd.config_file, { askPassphrase, settings: { connect_timeout: '1s' } });
      await ssh.host('walnut').probe(live());
    });

    test('and nobody to ask names the key and the way out', async () => {
      const { sshd, host } = await testHost();
      await useKey(sshd, 'ed25519', PASSPHRASE);
      const error = await failureOf(host.probe(live()));
      expect(error.code).toBe('ssh_key_locked');
      expect(error.message).toContain(`ssh-add ${sshd.identity_file}`);
    });

    test('does not ask for one that the host would not take', async () => {
      const { sshd } = await testHost();
      await useKey(sshd, 'ed25519', PASSPHRASE);
      await writeFile(join(sshd.directory, 'authorized_keys'), '');
      const askPassphrase = vi.fn(() => Promise.resolve(PASSPHRASE));
      const error = await failureOf(
        testSsh(sshd.config_file, { askPassphrase }).host('walnut').probe(live()),
      );
      expect(error.code).toBe('ssh_auth_failed');
      expect(askPassphrase).not.toHaveBeenCalled();
    });
  });
});
