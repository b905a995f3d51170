import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPids, runs } from '../../support/running.ts';
import { findSshd, type TestSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';
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

const allGone = (pids: readonly number[]): Promise<unknown> =>
  waitFor(() => pids.every(pid => !runs(pid)), { what: `the end of ${pids.join(', ')}` });

describe.skipIf((await findSshd()) === undefined)(
  'a command with children that ignores SIGTERM, needs sshd',
  () => {
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
  },
);

describe.skipIf((await findSshd()) === undefined)('before a command begins, needs sshd', () => {
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
