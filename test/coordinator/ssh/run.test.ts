import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { needsSshd } from '../../support/sshd.ts';
import { failureOf, live, sessionsOver, sh, soon, testHost } from './test-ssh.ts';

describe('a command on a host', () => {
  needsSshd('a real one is spoken to');
  test('gives back its code, stdout and stderr', async () => {
    const { host } = await testHost();
    const argv = ['sh', '-c', 'echo out; echo err >&2; exit 3'];
    expect(await host.run({ argv }, soon())).toEqual({
      code: 3,
      signal: undefined,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('gets its arguments as they are', async () => {
    const { host } = await testHost();
    const argv = ['printf', '%s|', "it's", 'a\\b', '!', '$HOME', '', 'line\nbreak', 'é 🙂'];
    expect((await host.run({ argv }, soon())).stdout).toBe("it's|a\\b|!|$HOME||line\nbreak|é 🙂|");
  });

  test('that is not there ends with 127', async () => {
    const { host } = await testHost();
    const result = await host.run({ argv: ['/no/such/command'] }, soon());
    expect(result.code).toBe(127);
    expect(result.stderr).toContain('/no/such/command');
  });

  test('that a signal ends names it', async () => {
    const { host } = await testHost();
    expect(await sh(host, 'kill -TERM $$')).toMatchObject({ code: undefined, signal: 'SIGTERM' });
  });

  test('reads what it is given, and then the end of it', async () => {
    const { host } = await testHost();
    expect((await host.run({ argv: ['wc', '-c'], stdin: 'hello' }, soon())).stdout.trim()).toBe('5');
    expect((await host.run({ argv: ['wc', '-c'] }, soon())).stdout.trim()).toBe('0');
    const stdin = Buffer.alloc(5_000_000, 7);
    expect((await host.run({ argv: ['wc', '-c'], stdin }, soon())).stdout.trim()).toBe('5000000');
  });

  test('that does not read what it is given loses nothing of what it says', async () => {
    const { host } = await testHost();
    const stdin = Buffer.alloc(5_000_000, 7);
    expect(await host.run({ argv: ['echo', 'done'], stdin }, soon())).toMatchObject({
      code: 0,
      stdout: 'done\n',
    });
  });

  test('that is a script shows nothing of it in the process list, and has no input', async () => {
    const { host } = await testHost();
    const { stdout } = await sh(
      host,
      'cat; ps -o args= -p $$; for x in 1 2; do\n echo "$x"; done; exit 4 # last',
    );
    expect(stdout).toMatch(/^\/bin\/sh\n1\n2\n$/);
  });

  test('is not disturbed by what the login shell says', async () => {
    const { sshd, host } = await testHost({ sshd: { environment: { ENV: '', BASH_ENV: '' } } });
    for (const file of ['.bashrc', '.zshenv', '.zshrc', '.profile'])
      await appendFile(
        join(sshd.home, file),
        'echo "Welcome to walnut"; echo "and mind the step" >&2; printf halfline\n',
      );
    expect(await host.run({ argv: ['echo', 'hello'] }, soon())).toMatchObject({
      stdout: 'hello\n',
      stderr: '',
    });
  });

  test('is told what the login shell says where that is all there is', async () => {
    const { host } = await testHost({ sshd: { settings: ['ForceCommand echo "not available"; exit 5'] } });
    expect(await host.run({ argv: ['echo', 'hello'] }, soon())).toMatchObject({
      code: 5,
      stdout: 'not available\n',
    });
  });

  test('that says too much is stopped', async () => {
    const { host, ssh } = await testHost();
    const error = await failureOf(
      host.run({ argv: ['yes'] }, { signal: live(), timeout_ms: 60_000, max_output_bytes: 100_000 }),
    );
    expect(error.code).toBe('remote_command_failed');
    expect(error.message).toContain('100000 bytes');
    await sessionsOver(ssh);
  });

  test('starts in the home of the user, with its environment', async () => {
    const { sshd, host } = await testHost({ sshd: { environment: { COLOUR: 'blue' } } });
    expect((await sh(host, 'echo "$HOME $COLOUR"')).stdout).toBe(`${sshd.home} blue\n`);
  });

  test('runs over a connection that is there already', async () => {
    const { sshd, host, ssh } = await testHost();
    for (let round = 0; round < 5; round += 1) await sh(host, 'true');
    expect(ssh.counts()).toMatchObject([{ handshakes: 1, connections: 1 }]);
    expect(sshd.log().match(/Accepted publickey/g)).toHaveLength(1);
  });

  test('runs with what the configuration says by then', async () => {
    const { sshd, host } = await testHost();
    const config = await readFile(sshd.config_file, 'utf8');
    await writeFile(sshd.config_file, config.replace(/Port \d+/, 'Port 1'));
    expect((await failureOf(sh(host, 'true'))).code).toBe('ssh_unreachable');
    await writeFile(sshd.config_file, config);
    await sh(host, 'true');
    expect(await host.target()).toMatchObject({ hostname: '127.0.0.1', port: sshd.port, jumps: [] });
  });
});
