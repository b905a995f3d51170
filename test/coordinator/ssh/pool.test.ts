import { describe, expect, test } from 'vitest';
import { needsSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';
import { failureOf, live, sessionsOver, sh, soon, testHost, testSsh } from './test-ssh.ts';

const HOLD = ['cat'];

describe('sessions on a host', () => {
  needsSshd('a real one is spoken to');
  test('of fifty commands at once all come to their end, over two connections', async () => {
    const { host, ssh } = await testHost();
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    const said = await Promise.all(
      numbers.map(number => host.run({ argv: ['echo', String(number)] }, soon())),
    );
    expect(said.map(({ stdout }) => Number(stdout))).toEqual(numbers);
    await sessionsOver(ssh);
    const [counts] = ssh.counts();
    expect(counts).toMatchObject({ sessions_waiting: 0, failures: 0 });
    expect(counts?.handshakes).toBeLessThanOrEqual(2);
  });

  test('are fewer on a connection when the server allows fewer', async () => {
    const { sshd, host, ssh } = await testHost({ sshd: { settings: ['MaxSessions 2'] } });
    const numbers = Array.from({ length: 30 }, (_, index) => index);
    const said = await Promise.all(
      numbers.map(number => host.run({ argv: ['echo', String(number)] }, soon())),
    );
    expect(said.map(({ stdout }) => Number(stdout))).toEqual(numbers);
    const held = await Promise.all([0, 1, 2, 3].map(() => host.open({ argv: HOLD }, live())));
    const waiting = sh(host, 'echo fifth');
    await waitFor(() => ssh.counts()[0]?.sessions_waiting === 1);
    expect(ssh.counts()).toMatchObject([{ connections: 2, sessions_in_use: 4 }]);
    for (const process of held) process.stream.end().resume();
    expect((await waiting).stdout).toBe('fifth\n');
    expect(sshd.log()).toContain('no more sessions');
  });

  test('are refused in the end where the server allows none', async () => {
    const { host } = await testHost({ sshd: { settings: ['MaxSessions 0'] } });
    await host.probe(live());
    const error = await failureOf(sh(host, 'true'));
    expect(error.code).toBe('ssh_channel_refused');
    expect(error.message).toContain('MaxSessions');
  });

  test('are handed out in the order they were asked for', async () => {
    const { sshd } = await testHost();
    const ssh = testSsh(sshd.config_file, { settings: { max_connections: 1, max_sessions: 1 } });
    const host = ssh.host('walnut');
    const first = await host.open({ argv: HOLD }, live());
    const order: number[] = [];
    const later = [1, 2, 3, 4, 5].map(async number => {
      await sh(host, 'true');
      order.push(number);
    });
    await waitFor(() => ssh.counts()[0]?.sessions_waiting === 5);
    first.stream.end().resume();
    await Promise.all(later);
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  test('are not waited for any more once it is told to stop', async () => {
    const { sshd } = await testHost();
    const ssh = testSsh(sshd.config_file, { settings: { max_connections: 1, max_sessions: 1 } });
    const host = ssh.host('walnut');
    const first = await host.open({ argv: HOLD }, live());
    const stop = new AbortController();
    const why = new Error('changed my mind');
    const waiting = host.run({ argv: ['true'] }, { signal: stop.signal, timeout_ms: 60_000 });
    const late = failureOf(host.run({ argv: ['true'] }, { signal: live(), timeout_ms: 200 }));
    await waitFor(() => ssh.counts()[0]?.sessions_waiting === 2);
    stop.abort(why);
    await expect(waiting).rejects.toBe(why);
    expect((await late).code).toBe('ssh_timeout');
    expect(ssh.counts()).toMatchObject([{ sessions_waiting: 0, sessions_in_use: 1 }]);
    first.stream.end().resume();
    await first.ended;
    await sh(host, 'true');
  });

  test('end with the client: what runs, what waits, and what comes later', async () => {
    const { sshd } = await testHost();
    const ssh = testSsh(sshd.config_file, { settings: { max_connections: 1, max_sessions: 1 } });
    const host = ssh.host('walnut');
    const running = await host.open({ argv: HOLD }, live());
    const waiting = failureOf(sh(host, 'true'));
    await waitFor(() => ssh.counts()[0]?.sessions_waiting === 1);
    await ssh.close();
    expect((await waiting).code).toBe('cancelled');
    expect(await running.ended).toMatchObject({ code: undefined });
    expect((await failureOf(host.sftp(files => files.list('/'), live()))).code).toBe('cancelled');
    expect(ssh.counts()).toMatchObject([{ connections: 0, sessions_in_use: 0, sessions_waiting: 0 }]);
  });

  test('leave a connection that is closed after a while', async () => {
    const { sshd } = await testHost();
    const ssh = testSsh(sshd.config_file, { settings: { idle_timeout: '1s' } });
    await sh(ssh.host('walnut'), 'true');
    expect(ssh.counts()).toMatchObject([{ connections: 1 }]);
    await waitFor(() => ssh.counts()[0]?.connections === 0);
    expect(ssh.counts()).toMatchObject([{ failures: 0 }]);
    await sh(ssh.host('walnut'), 'true');
  });

  test('of many hosts are counted by host', async () => {
    const { sshd, ssh } = await testHost();
    await Promise.all([
      sh(ssh.host('walnut'), 'true'),
      sh(ssh.host(`127.0.0.1:${sshd.port}`), 'true').catch(() => 0),
    ]);
    expect(ssh.counts().map(({ host }) => host)).toEqual(['walnut', `127.0.0.1:${sshd.port}`]);
  });
});
