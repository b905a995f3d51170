import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeKey, needsSshd } from '../../support/sshd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { failureOf, live, sh, soon, type TestHost, testHost, testSsh } from './test-ssh.ts';

/** A host whose line goes through a proxy. */
async function behindProxy(settings: Readonly<Record<string, unknown>> = {}) {
  const { sshd } = await testHost();
  const proxy = await tcpProxy(sshd.port);
  const config = await readFile(sshd.config_file, 'utf8');
  await writeFile(
    sshd.config_file,
    config.replace(`Port ${sshd.port}`, `Port ${proxy.port}\n  HostKeyAlias walnut`),
  );
  await writeFile(sshd.known_hosts_file, `walnut ${await readFile(`${sshd.host_key_file}.pub`, 'utf8')}`);
  const ssh = testSsh(sshd.config_file, { settings });
  return { sshd, proxy, ssh, host: ssh.host('walnut') };
}

/** A host at this port of loopback, whoever answers there. */
async function hostAt(
  port: number,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Omit<TestHost, 'sshd'>> {
  const directory = await temporaryDirectory();
  const config_file = join(directory, 'config');
  await writeFile(
    config_file,
    `Host walnut\n  HostName 127.0.0.1\n  Port ${port}\n  UserKnownHostsFile none\n`,
  );
  const ssh = testSsh(config_file, { settings, random: () => 0 });
  return { ssh, host: ssh.host('walnut') };
}

async function serverThat(answer: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => undefined));
    answer(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe('when the line breaks', () => {
  needsSshd('a real one is spoken to');
  test('with the server killed in the middle of a command, it says so, and the next one finds the server back', async () => {
    const { sshd, host, ssh } = await testHost();
    const process = await host.open({ argv: ['cat'] }, live());
    const running = failureOf(host.run({ argv: ['sh', '-c', 'echo begun; exec sleep 5'] }, soon()));
    await waitFor(() => ssh.counts()[0]?.sessions_in_use === 2);
    await sshd.kill();
    const error = await running;
    expect(error.code).toBe('ssh_connection_lost');
    expect(error.retryable).toBe(true);
    expect((await failureOf(process.ended)).code).toBe('ssh_connection_lost');
    await waitFor(() => process.stream.destroyed);
    expect((await failureOf(sh(host, 'true'))).code).toBe('ssh_unreachable');
    await sshd.restart();
    expect((await sh(host, 'echo back')).stdout).toBe('back\n');
    expect(ssh.counts()[0]?.failures).toBeGreaterThan(0);
  });

  test('and comes back, everything goes on over a new connection', async () => {
    const { proxy, host, ssh } = await behindProxy();
    expect((await sh(host, 'echo one')).stdout).toBe('one\n');
    proxy.cut();
    await waitFor(() => ssh.counts()[0]?.connections === 0);
    expect((await failureOf(sh(host, 'true'))).code).toBe('ssh_unreachable');
    proxy.restore();
    expect((await sh(host, 'echo two')).stdout).toBe('two\n');
    expect(ssh.counts()).toMatchObject([{ connections: 1, handshakes: 2 }]);
  });

  test('past the number of those who may be signing in at once, that number is named as a reason', async () => {
    const { sshd, host } = await testHost({ sshd: { settings: ['MaxStartups 1:100:1'] } });
    const other = connect(sshd.port, '127.0.0.1');
    onTestFinished(() => {
      other.destroy();
    });
    await once(other, 'data');
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_unreachable');
    expect(error.message).toContain('MaxStartups');
  });

  test('for a moment only, a command that is just asked for waits for it', async () => {
    const { proxy, host } = await behindProxy();
    proxy.cut();
    const running = sh(host, 'echo there');
    await waitFor(() => proxy.refused() > 0);
    proxy.restore();
    expect((await running).stdout).toBe('there\n');
  });

  test('in silence, it is noticed by what does not arrive', async () => {
    const { proxy, host, ssh } = await behindProxy({ keepalive_interval: '1s' });
    const process = await host.open({ argv: ['cat'] }, live());
    proxy.silence();
    const error = await failureOf(process.ended);
    expect(error.code).toBe('ssh_connection_lost');
    expect(error.message).toContain('stopped answering');
    expect(ssh.counts()).toMatchObject([{ connections: 0, sessions_in_use: 0 }]);
  });

  test('in silence, a session that does not open names that step, and the connection is given up', async () => {
    const { proxy, host, ssh } = await behindProxy({ connect_timeout: '1s', keepalive_interval: '1m' });
    await sh(host, 'true');
    proxy.silence();
    const error = await failureOf(sh(host, 'true'));
    expect(error.code).toBe('ssh_timeout');
    expect(error.message).toContain('to open a session');
    await waitFor(() => ssh.counts()[0]?.connections === 0);
  });

  test('an idle connection stays as long as the host answers', async () => {
    const { proxy, host, ssh } = await behindProxy({ keepalive_interval: '1s' });
    const process = await host.open({ argv: ['sleep', '6'] }, live());
    process.stream.resume();
    expect(await process.ended).toMatchObject({ code: 0 });
    expect(ssh.counts()).toMatchObject([{ connections: 1, handshakes: 1 }]);
    expect(proxy.taken()).toBe(1);
  });

  test('in the middle of an upload, that is told, and the rest can follow', async () => {
    const { sshd, proxy, host } = await behindProxy();
    const path = join(sshd.home, 'upload');
    const bytes = Buffer.alloc(48 * 1024 * 1024, 7);
    const error = await failureOf(
      host.sftp(
        files =>
          files.write(path, bytes, {
            mode: 0o600,
            onProgress: sent => {
              if (sent > 4 * 1024 * 1024) proxy.cut();
            },
          }),
        live(),
      ),
    );
    expect(error.code).toBe('ssh_connection_lost');
    proxy.restore();
    await host.sftp(async files => {
      const from_byte = (await files.stat(path))?.size_bytes ?? 0;
      expect(from_byte).toBeGreaterThan(0);
      await files.write(path, bytes.subarray(from_byte), { mode: 0o600, from_byte });
      expect((await files.stat(path))?.size_bytes).toBe(bytes.length);
    }, live());
  });
});

describe('a host', () => {
  test('at whose port nothing listens is unreachable', async () => {
    const { host } = await hostAt(1);
    const error = await failureOf(host.probe(live()));
    expect(error).toMatchObject({
      code: 'ssh_unreachable',
      message: expect.stringContaining('127.0.0.1:1') as string,
    });
    expect(error.message).toContain('nothing listens');
  });

  test('whose name nobody knows is unreachable by that', async () => {
    const ssh = testSsh('/dev/null');
    const error = await failureOf(ssh.host('no-such-host.invalid').probe(live()));
    expect(error.code).toBe('ssh_unreachable');
    expect(error.message).toContain('name');
  });

  test('that takes connections and says nothing is told apart: it is the handshake that takes too long', async () => {
    const port = await serverThat(() => undefined);
    const { host } = await hostAt(port, { connect_timeout: '1s' });
    const error = await failureOf(sh(host, 'true'));
    expect(error.code).toBe('ssh_timeout');
    expect(error.message).toContain('to answer as an SSH server');
    expect(error.message).toContain('1 s');
  });

  test('that swallows every packet is told apart: it is the TCP connection that takes too long', async () => {
    // A server that never accepts; once its queue is full, the kernel drops what comes.
    const sleeper: ChildProcess = spawn(
      process.execPath,
      [
        '-e',
        'const s=require("net").createServer().listen({port:0,host:"127.0.0.1",backlog:1},()=>console.log(s.address().port))',
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const filling: Socket[] = [];
    onTestFinished(async () => {
      for (const socket of filling) socket.destroy();
      const closed = once(sleeper, 'close');
      sleeper.kill('SIGKILL');
      await closed;
    });
    if (sleeper.stdout === null) throw new Error('no stdout');
    const [line] = (await once(sleeper.stdout, 'data')) as [Buffer];
    const port = Number(line.toString());
    sleeper.kill('SIGSTOP');
    await waitFor(async () => (await readFile(`/proc/${String(sleeper.pid)}/stat`, 'utf8')).includes(') T '));
    for (let count = 0; count < 2; count += 1) {
      const socket = connect({ port, host: '127.0.0.1' });
      filling.push(socket);
      await once(socket, 'connect');
    }
    const { host } = await hostAt(port, { connect_timeout: '1s' });
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_timeout');
    expect(error.message).toContain('to open the TCP connection');
  });

  test('that never says whether the key is right is told apart', async () => {
    const directory = await temporaryDirectory();
    const key = join(directory, 'key');
    await makeKey(key);
    const server = new ssh2.Server({ hostKeys: [await readFile(key)] }, client => {
      client.on('authentication', () => undefined).on('error', () => undefined);
    });
    const port = await serverThat(socket => {
      server.injectSocket(socket);
    });
    const known_hosts = join(directory, 'known_hosts');
    await writeFile(known_hosts, `[127.0.0.1]:${port} ${await readFile(`${key}.pub`, 'utf8')}`);
    const { host } = await hostAt(port, {
      connect_timeout: '1s',
      identity_files: [key],
      known_hosts_files: [known_hosts],
    });
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_timeout');
    expect(error.message).toContain('to sign in');
  });

  test('that is no SSH server is told apart', async () => {
    const port = await serverThat(socket => {
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const { host } = await hostAt(port);
    const error = await failureOf(host.probe(live()));
    expect(error.code).toBe('ssh_unreachable');
  });

  test('can be given up on at every step', async () => {
    const port = await serverThat(() => undefined);
    const { host } = await hostAt(port);
    const stop = new AbortController();
    const probing = host.probe(stop.signal);
    const why = new Error('no patience');
    stop.abort(why);
    await expect(probing).rejects.toBe(why);
    await expect(host.probe(AbortSignal.abort(why))).rejects.toBe(why);
  });

  test('that fails again and again is left alone for a while, and then asked again', async () => {
    let taken = 0;
    let answers = false;
    const port = await serverThat(socket => {
      taken += 1;
      if (!answers) socket.destroy();
    });
    const { host, ssh } = await hostAt(port, { connect_timeout: '1s' });
    for (let count = 0; count < 3; count += 1)
      expect((await failureOf(sh(host, 'true'))).code).toBe('ssh_unreachable');
    expect(ssh.counts()).toMatchObject([{ circuit_open: true }]);
    // Each was tried three times.
    expect(taken).toBe(9);
    const error = await failureOf(sh(host, 'true'));
    expect(error.code).toBe('ssh_unreachable');
    expect(error.message).toContain('left alone');
    expect(error.retry_after_ms).toBeGreaterThan(0);
    expect(taken).toBe(9);
    answers = true;
    await waitFor(async () => (await failureOf(sh(host, 'true'))).code === 'ssh_timeout');
    expect(taken).toBeGreaterThan(9);
  });
});
