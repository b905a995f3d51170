/**
 * A whole machine under a real systemd: this one's own file system, with an overlay in memory over it that goes when the
 * machine does. It has a network of its own, which is loopback and nothing more, unless it is to share this machine's.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { findOnPath } from '../../coordinator/embedded/executable.ts';
import { withinLimit } from '../../protocol/daemon/within-limit.ts';
import { root } from './built.ts';
import { makeTemporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

/** Where the checkout is in the machine; read-only. */
export const CHECKOUT = '/srv/checkout';
/** Where the Node of the tests is. */
export const NODE = '/srv/node';

export interface MachineResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Machine {
  /** Runs a script by `sh`, as root. A code that is not 0 is a result. */
  readonly sh: (script: string) => Promise<MachineResult>;
  /** What such a script prints; rejects with all that it said when it fails. */
  readonly ask: (script: string) => Promise<string>;
  /** Writes a file, with the directories above it. */
  readonly write: (path: string, text: string, mode?: string) => Promise<void>;
  /** Ends every process in it and removes all of it. Safe to call twice. */
  readonly stop: () => Promise<void>;
}

interface MachineOptions {
  /** More files or directories of this machine to have there, read-only: from where, to where. */
  readonly bind?: Readonly<Record<string, string>>;
  /** With this machine's network it is reached, and reaches servers of the test, on loopback. */
  readonly network?: 'own' | 'shared';
}

const ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  // That of root may hold settings of this machine.
  'HOME=/srv/root',
  'LANG=C.UTF-8',
];
const TIMEOUT_MS = 150_000;

/** A skip's reason where there can be no such machine; undefined where there can. */
export async function whyNoMachine(): Promise<string | undefined> {
  if ((await findOnPath('systemd-nspawn', process.env)) === undefined)
    return 'needs systemd-nspawn: units are tried under a real systemd';
  if (process.getuid?.() !== 0) return 'needs permission-to-mount: only root can boot a machine';
  const directory = await makeTemporaryDirectory();
  try {
    await run('unshare', ['--mount', 'sh', '-ec', `${overlay(directory.path)}\nunshare --net true`]);
    return undefined;
  } catch (error) {
    const reason = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    return `needs permission-to-mount: a machine is booted from an overlay (${reason.trim().slice(0, 200)})`;
  } finally {
    await directory.remove();
  }
}

/** Mounts that only the shell which makes them sees: they go with the last process that was started from it. */
const overlay = (directory: string): string => `
  cd '${directory}'
  mount -t tmpfs -o mode=755 tmpfs .
  cd '${directory}'
  mkdir upper work root
  mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root`;

/** Services that this machine happens to have would only take time. */
const PREPARE = `
  rm -rf root/etc/systemd/system/multi-user.target.wants root/etc/systemd/system/timers.target.wants
  mkdir -p root${CHECKOUT} root/srv/root
  : >root${NODE}`;

/** For hooks, which must stop it themselves. */
export async function bootMachine({ bind = {}, network = 'own' }: MachineOptions = {}): Promise<Machine> {
  const directory = await makeTemporaryDirectory();
  const binds = { [root]: CHECKOUT, [process.execPath]: NODE, ...bind };
  const nspawn = spawn(
    'unshare',
    [
      '--mount',
      'sh',
      '-ec',
      `${overlay(directory.path)}${PREPARE}\nexec systemd-nspawn "$@"`,
      'sh',
      '--quiet',
      '--directory=root',
      '--boot',
      '--register=no',
      '--keep-unit',
      ...(network === 'own' ? ['--private-network'] : []),
      '--console=read-only',
      // It would write out the disks of the host, under the feet of whoever tries a power cut on one of them.
      '--system-call-filter=~sync',
      `--machine=ccli-${process.pid}`,
      ...Object.entries(binds).map(([from, to]) => `--bind-ro=${from}:${to}`),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' },
  );
  let console = '';
  for (const stream of [nspawn.stdout, nspawn.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      console = (console + text).slice(-20_000);
    });
  const ended = once(nspawn, 'close');
  let leader: number | undefined;

  const sh = async (script: string): Promise<MachineResult> => {
    if (leader === undefined) throw new Error('the machine does not run');
    const args = ['-t', String(leader), '-a', '--', 'env', '-i', ...ENVIRONMENT, 'sh', '-ec', script];
    const options = { timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 16 * 1024 * 1024 } as const;
    return await new Promise(resolve => {
      execFile('nsenter', args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  };
  const ask = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await sh(script);
    if (code !== 0) throw new Error(`exit code ${code} of: ${script}\n${stdout}\n${stderr}`);
    return stdout.trim();
  };
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    // The end of its first process is that of all others. Asked in this way, nspawn still clears its control groups.
    if (leader !== undefined && isAlive(nspawn)) await sh('systemctl poweroff --force --force');
    if (!(await withinLimit(ended, 10_000))) nspawn.kill('SIGKILL');
    await ended;
    await directory.remove();
  };

  try {
    leader = await waitFor(() => childOf(nspawn), { what: 'the first process of the machine' });
    await waitFor(
      async () => {
        if (!isAlive(nspawn)) throw new Error('the machine went down');
        const { stdout } = await sh('systemctl is-system-running || true');
        return ['running', 'degraded'].includes(stdout.trim());
      },
      { what: 'the boot of the machine', timeout_ms: 90_000, pause_ms: 200 },
    );
  } catch (error) {
    await stop();
    throw new Error(`The machine did not boot:\n${console}`, { cause: error });
  }
  return {
    sh,
    ask,
    async write(path, text, mode = '644') {
      const encoded = Buffer.from(text).toString('base64');
      await ask(
        `mkdir -p "$(dirname '${path}')"; echo ${encoded} | base64 -d >'${path}'; chmod ${mode} '${path}'`,
      );
    },
    stop: () => (stopping ??= stop()),
  };
}

const isAlive = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

async function childOf({ pid }: ChildProcess): Promise<number | undefined> {
  const { stdout } = await run('ps', ['-o', 'pid=,comm=', '--ppid', String(pid)]);
  // Before it is systemd it is a copy of nspawn, in namespaces that are not made yet.
  const [found] = stdout.split('\n').flatMap(line => /^\s*(\d+) (?:systemd|init)\s*$/.exec(line)?.[1] ?? []);
  return found === undefined ? undefined : Number(found);
}
