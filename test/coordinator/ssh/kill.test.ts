import { spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { killCommand } from '../../../coordinator/ssh/kill-group.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { readPids, runs } from '../../support/running.ts';
import { needsSshd, type TestSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { failureOf, live, sessionsOver, sh, testHost, testSsh } from './test-ssh.ts';

/** A tool with a child and a grandchild, deaf to all that can be ignored; writes their ids to a file. */
async function stubborn(sshd: TestSshd): Promise<{ argv: readonly string[]; pids: () => Promise<number[]> }> {
  const script = join(sshd.directory, 'stubborn.sh');
  const file = join(sshd.directory, 'pids');
  await writeFile(
    script,
    `trap '' TERM HUP INT PIPE
sh -c 'trap "" TERM HUP; sleep 600 & echo "$$ $!" >${file}.child; while :; do sleep 1; done' &
while ! [ -s ${file}.child ]; do sleep 0.05; done
echo "$$ $(cat ${file}.child)" >${file}
while :; do sleep 1; done
`,
  );
  return { argv: ['sh', script], pids: () => readPids(file) };
}

/** The one that has written its id there, if it ever came to that, runs no more. */
async function nothingOf(file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text !== '') await allGone([Number(text)]);
}

const allGone = (pids: readonly number[]): Promise<unknown> =>
  waitFor(() => pids.every(pid => !runs(pid)), { what: `the end of ${pids.join(', ')}` });

describe('a command with children that ignores SIGTERM', () => {
  needsSshd('a real one is spoken to');
  test('is gone with all of them when its time is over', async () => {
    const { sshd, host, ssh } = await testHost();
    const { argv, pids } = await stubborn(sshd);
    const failure = failureOf(host.run({ argv }, { signal: live(), timeout_ms: 1_500 }));
    const running = await pids();
    expect(running).toHaveLength(3);
    const error = await failure;
    expect(error.code).toBe('ssh_timeout');
    expect(error.message).toContain('1.5 s');
    expect(running.filter(runs)).toEqual([]);
    await sessionsOver(ssh);
    expect(ssh.counts()).toMatchObject([{ connections: 1 }]);
  });

  test('is gone with all of them when it is cancelled, and says why', async () => {
    const { sshd, host } = await testHost();
    const { argv, pids } = await stubborn(sshd);
    const stop = new AbortController();
    const why = new Error('enough');
    const outcome = host
      .run({ argv }, { signal: stop.signal, timeout_ms: 60_000 })
      .catch((error: unknown) => error);
    const running = await pids();
    stop.abort(why);
    expect(await outcome).toBe(why);
    expect(running.filter(runs)).toEqual([]);
  });

  test('is gone with all of them when it is killed, though nobody reads it', async () => {
    const { sshd, host, ssh } = await testHost();
    const { argv, pids } = await stubborn(sshd);
    const process = await host.open({ argv }, live());
    const running = await pids();
    await process.kill();
    expect(running.filter(runs)).toEqual([]);
    expect(await process.ended).toMatchObject({ code: undefined });
    await sessionsOver(ssh);
    await process.kill();
  });

  test('is gone with all of them when the signal of open aborts', async () => {
    const { sshd, host } = await testHost();
    const { argv, pids } = await stubborn(sshd);
    const stop = new AbortController();
    const process = await host.open({ argv }, stop.signal);
    const running = await pids();
    stop.abort();
    await process.ended;
    await allGone(running);
  });

  test('is gone with all of them when the client is closed', async () => {
    const { sshd, host, ssh } = await testHost();
    const { argv, pids } = await stubborn(sshd);
    const outcome = host
      .run({ argv }, { signal: live(), timeout_ms: 60_000 })
      .catch((error: unknown) => error);
    const running = await pids();
    await ssh.close();
    expect(running.filter(runs)).toEqual([]);
    expect(await outcome).toBeDefined();
    expect((await failureOf(sh(host, 'true'))).code).toBe('cancelled');
  });

  test('is killed also when every session is taken', async () => {
    const { sshd } = await testHost({ sshd: { settings: ['MaxSessions 1'] } });
    const ssh = testSsh(sshd.config_file, { settings: { max_connections: 1, max_sessions: 1 } });
    const { argv, pids } = await stubborn(sshd);
    const process = await ssh.host('walnut').open({ argv }, live());
    const waiting = sh(ssh.host('walnut'), 'echo next');
    const running = await pids();
    await process.kill();
    expect(running.filter(runs)).toEqual([]);
    expect((await waiting).stdout).toBe('next\n');
    await waitFor(() => ssh.counts()[0]?.connections === 1, { what: 'one connection' });
  });

  test('leaves alone what has left its group on purpose', async () => {
    const { sshd, host } = await testHost();
    const file = join(sshd.directory, 'left');
    const script = `setsid sh -c 'echo $$ >${file}; exec sleep 600' </dev/null >/dev/null 2>&1 & while :; do sleep 1; done`;
    const process = await host.open({ argv: ['sh', '-c', script] }, live());
    const [left = 0] = await readPids(file);
    await process.kill();
    expect(runs(left)).toBe(true);
    await sh(host, `kill -KILL ${left}`);
    await allGone([left]);
  });
});

describe('before a command begins', () => {
  needsSshd('a real one is spoken to');
  test.each([
    ['is cancelled', 'cancel'],
    ['is left behind by a client that is closed', 'close'],
  ] as const)('one that %s before its host has answered is ended all the same', async (_how, how) => {
    const { sshd } = await testHost();
    const proxy = await tcpProxy(sshd.port);
    const config = await readFile(sshd.config_file, 'utf8');
    await writeFile(
      sshd.config_file,
      config.replace(`Port ${sshd.port}`, `Port ${proxy.port}\n  HostKeyAlias [127.0.0.1]:${sshd.port}`),
    );
    const ssh = testSsh(sshd.config_file);
    const host = ssh.host('walnut');
    await sh(host, 'true');
    await sessionsOver(ssh);
    const begun = join(sshd.directory, 'begun');
    const stop = new AbortController();
    // The answer that its session is open arrives, the one that the command runs does not.
    proxy.holdAfterNext();
    const argv = ['sh', '-c', `echo $$ >${begun}; exec sleep 600`];
    const outcome = host.open({ argv }, stop.signal).catch((error: unknown) => error);
    const [pid = 0] = await readPids(begun);
    if (how === 'cancel') {
      stop.abort(new CcliError('cancelled'));
      expect(await outcome).toMatchObject({ code: 'cancelled' });
    }
    const closed = how === 'close' ? ssh.close() : undefined;
    proxy.letGo();
    await closed;
    await outcome;
    await waitFor(() => !runs(pid), { what: 'its end' });
  });

  test('many that are asked for and cancelled at once leave none running', async () => {
    const { sshd, host, ssh } = await testHost();
    await sh(host, 'true');
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const begun = (number: number): string => join(sshd.directory, `begun-${number}`);
    const outcomes = Array.from({ length: 100 }, (_, number) => {
      const argv = ['sh', '-c', `echo $$ >${begun(number)}; exec sleep 600`];
      return failureOf(host.run({ argv }, { signal: stop.signal, timeout_ms: 60_000 }));
    });
    await waitFor(() => ssh.counts()[0]?.sessions_in_use === 16, { what: 'sessions that are asked for' });
    stop.abort(new CcliError('cancelled'));
    const failures = await Promise.all(outcomes);
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(['cancelled']));
    await sessionsOver(ssh);
    for (let number = 0; number < 100; number += 1) await nothingOf(begun(number));
    expect((await sh(host, 'echo still here')).stdout).toBe('still here\n');
  });

  test('a kill keeps it from beginning', async () => {
    const { sshd, host } = await testHost();
    const begun = join(sshd.directory, 'begun');
    for (const file of ['.bashrc', '.zshenv']) await writeFile(join(sshd.home, file), 'sleep 7\n');
    const process = await host.open({ argv: ['touch', begun] }, live());
    await process.kill();
    await process.ended.catch(() => undefined);
    for (const file of ['.bashrc', '.zshenv']) await writeFile(join(sshd.home, file), '');
    // The login shell is still at it; when it is done, the command finds nobody to speak to.
    await waitFor(
      async () => (await sh(host, 'ps -e -o args= | grep -c "[s]leep 7" || true')).stdout.trim() === '0',
    );
    expect((await sh(host, `ls ${begun} 2>/dev/null || true`)).stdout).toBe('');
  });
});

describe('a group whose number', () => {
  /** One that leads a group of its own, and when it began. */
  async function other(): Promise<{ pid: number; boot: string; start: string; gone: Promise<unknown> }> {
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    const gone = once(child, 'close');
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await gone;
    });
    const { pid = 0 } = child;
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return { pid, boot, start, gone };
  }
  const run = async (command: string): Promise<unknown> => {
    const ended: readonly unknown[] = await once(spawn('sh', ['-c', command], { stdio: 'ignore' }), 'close');
    return ended[0];
  };

  test.each<[string, (one: { boot: string; start: string }) => { boot: string; start: string }]>([
    ['went to another one', ({ boot, start }) => ({ boot, start: String(Number(start) - 1) })],
    [
      'was given again after a restart of the host',
      ({ start }) => ({ boot: '0b1c2d3e-1111-2222-3333-444455556666', start }),
    ],
  ])('%s has ended, and the other one is left alone', async (_how, birthOf) => {
    const { pid, boot, start } = await other();
    expect(await run(killCommand({ pid, birth: birthOf({ boot, start }) }))).toBe(0);
    expect(runs(pid)).toBe(true);
  });

  test('is still its own is ended', async () => {
    const { pid, boot, start, gone } = await other();
    expect(await run(killCommand({ pid, birth: { boot, start } }))).toBe(0);
    await gone;
  });
});
