/**
 * A real OpenSSH server on loopback, with a home of its own for whoever logs in, and a client's configuration for it.
 * Whoever starts one stops it; a test takes `testSshd`, which does so by itself.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findOnPath } from '../../coordinator/embedded/executable.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

/** Most PATHs of ordinary users leave it out. */
const SBIN = '/usr/sbin:/usr/local/sbin:/sbin';

/** Undefined where there is no sshd. */
export const findSshd = (): Promise<string | undefined> =>
  findOnPath('sshd', { PATH: `${process.env['PATH'] ?? ''}:${SBIN}` });

export interface SshdOptions {
  /** The name by which the client's configuration knows it. */
  readonly name?: string;
  /** What HOME is on the host; a fresh directory when absent. */
  readonly home?: string;
  /** More lines of sshd_config: `MaxSessions 2`. */
  readonly settings?: readonly string[];
  /** More lines of the client's configuration for this host. */
  readonly client?: readonly string[];
  /** Variables on the host, besides HOME. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface SshServer {
  readonly name: string;
  readonly port: number;
  /** HOME of whoever logs in: the same user that runs the tests. */
  readonly home: string;
  /** Holds the keys and the client's files. */
  readonly directory: string;
  /** For `ssh -F` and `ssh.config_file`. */
  readonly config_file: string;
  readonly known_hosts_file: string;
  readonly identity_file: string;
  readonly host_key_file: string;
  /** What sshd has said so far. */
  readonly log: () => string;
  /** Ends the server and every connection of it at once. */
  readonly kill: () => Promise<void>;
  /** Starts it again on the same port; with `new_key`, as a host that was set up anew. */
  readonly restart: (options?: { readonly new_key?: boolean }) => Promise<void>;
}

/** @param directory for its keys and files; whoever made it removes it */
export async function startSshd(directory: string, options: SshdOptions = {}): Promise<SshServer> {
  const { name = 'walnut', settings = [], client = [], environment = {} } = options;
  const sshd = await findSshd();
  if (sshd === undefined) throw new Error('no sshd here; ask findSshd first');
  const home = options.home ?? join(directory, 'home');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const port = await freePort();
  const identity_file = join(directory, 'id_ed25519');
  const host_key_file = join(directory, 'host_key');
  const known_hosts_file = join(directory, 'known_hosts');
  const config_file = join(directory, 'ssh_config');
  await makeKey(identity_file);
  await makeKey(host_key_file);
  await run('cp', [`${identity_file}.pub`, join(directory, 'authorized_keys')]);
  const host_key = await readFile(`${host_key_file}.pub`, 'utf8');
  await writeFile(known_hosts_file, `[127.0.0.1]:${port} ${host_key}`);
  const variables = {
    HOME: home,
    // So that what is left behind on the host is found as well.
    ...pick(['TMPDIR', 'CCLI_TEST_RUN']),
    ...environment,
  };
  const server_file = join(directory, 'sshd_config');
  await writeFile(
    server_file,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${host_key_file}`,
      `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'MaxStartups 100:30:200',
      'LogLevel VERBOSE',
      `SetEnv ${Object.entries(variables)
        .map(([variable, value]) => `${variable}="${value}"`)
        .join(' ')}`,
      'Subsystem sftp internal-sftp',
      ...settings,
      '',
    ].join('\n'),
  );
  await writeFile(
    config_file,
    [
      `Host ${name}`,
      '  HostName 127.0.0.1',
      `  Port ${port}`,
      `  User ${userInfo().username}`,
      `  IdentityFile ${identity_file}`,
      '  IdentitiesOnly yes',
      '  IdentityAgent none',
      `  UserKnownHostsFile ${known_hosts_file}`,
      '  GlobalKnownHostsFile /dev/null',
      ...client.map(line => `  ${line}`),
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  // It refuses to start without its own directory, for an empty root of unprivileged processes.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true });

  let child: ChildProcess | undefined;
  let log = '';
  const start = async (): Promise<void> => {
    // A session of its own: with its process group, every connection of it can be ended.
    const started = spawn(sshd, ['-D', '-e', '-f', server_file], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    child = started;
    const from = log.length;
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    await waitFor(
      () => {
        if (started.exitCode !== null) throw new Error(`sshd ended:\n${log.slice(from)}`);
        return log.slice(from).includes('Server listening');
      },
      { what: `sshd listening:\n${log}` },
    );
  };
  const kill = async (): Promise<void> => {
    const current = child;
    child = undefined;
    if (current?.pid === undefined || current.exitCode !== null) return;
    const closed = once(current, 'close');
    for (const pid of [...(await childrenOf(current.pid)), current.pid]) endProcess(pid);
    await closed;
  };
  await start();
  return {
    name,
    port,
    home,
    directory,
    config_file,
    known_hosts_file,
    identity_file,
    host_key_file,
    log: () => log,
    kill,
    async restart({ new_key = false } = {}) {
      await kill();
      if (new_key) {
        await run('rm', ['-f', host_key_file, `${host_key_file}.pub`]);
        await makeKey(host_key_file);
      }
      await start();
    },
  };
}

/** @param passphrase empty for a key that is not encrypted */
export async function makeKey(file: string, passphrase = '', type = 'ed25519'): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'test', '-f', file]);
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen({ port: 0, host: '127.0.0.1' });
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** The processes of its connections: each forks, and forks again once the user is known. */
async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-e', '-o', 'pid=,ppid=,comm=']);
  const lines = stdout
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/));
  const below = (parent: number): number[] =>
    lines.flatMap(([own, above, command]) =>
      Number(above) === parent && command?.startsWith('sshd') === true
        ? [...below(Number(own)), Number(own)]
        : [],
    );
  return below(pid);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just gone by itself.
  }
}

const pick = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap(name => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
