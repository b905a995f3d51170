/**
 * One bootstrap at a time on a host: a process there holds a lock on the home directory for as long as its line is open.
 * So nothing is written for it, and nothing stays when either side dies.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError } from '../../protocol/errors.ts';
import type { SshHost } from '../ssh/ssh.ts';
import type { HostUser } from './paths.ts';
import { quote, type Shell } from './shell.ts';

export interface HostLock {
  /** Aborts when the lock is lost with its line. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

const NAME = 'ccli-bootstrap-lock';

/** `cat` ends with its input, and its input with the line. In one line: some login shells take no other argument. */
const HOLD = 'exec 9<"$1" || exit 4; flock -n 9 || exit 3; echo locked; cat >/dev/null';

interface LockOptions {
  readonly host: SshHost;
  readonly shell: Shell;
  readonly user: HostUser;
  /** By which a run finds its own lock again, left over from a line that broke. */
  readonly run_id: string;
}

/** @throws CcliError `bootstrap_failed` when another run holds it; `host_not_ready` without `flock` */
export async function lockHost(options: LockOptions): Promise<HostLock> {
  const { host, shell, user, run_id } = options;
  const first = await hold(options);
  if ('release' in first) return first;
  // A line that broke without a word leaves its end on the host open for a while.
  await shell.ask(`pkill -u ${user.uid} -f ${quote(`${NAME} .* ${run_id}$`)}`);
  const second = await holdSoon(options);
  if ('release' in second) return second;
  if (second.code !== 3)
    throw new CcliError(
      'host_not_ready',
      `${host.name} cannot lock its home directory: ${second.said}. Install util-linux there, which has flock.`,
    );
  const { stdout } = await shell.ask(
    `pgrep -u ${user.uid} -f ${quote(`${NAME} .* [0-9a-f-]{36}$`)} | head -n 1`,
  );
  const holder = stdout.trim();
  throw new CcliError(
    'bootstrap_failed',
    `Another bootstrap works on ${host.name}${holder === '' ? '' : ` (process ${holder} there)`}; wait for it, or end that process when nobody waits for it any more.`,
  );
}

/** What was told to end may take a moment. */
async function holdSoon(options: LockOptions): Promise<HostLock | NotLocked> {
  for (let tries = 1; ; tries += 1) {
    const held = await hold(options);
    if ('release' in held || held.code !== 3 || tries === TRIES) return held;
    await delay(PAUSE_MS, undefined, { signal: options.shell.signal });
  }
}

const TRIES = 8;
const PAUSE_MS = 250;

interface NotLocked {
  readonly code: number | undefined;
  readonly said: string;
}

async function hold({ host, shell, user, run_id }: LockOptions): Promise<HostLock | NotLocked> {
  const open = await host.open({ argv: ['sh', '-c', HOLD, NAME, user.home, run_id] }, shell.signal);
  let said = '';
  open.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1_000);
  });
  const lost = new AbortController();
  const ended = open.ended.then(
    ({ code }) => ({ code, said: said.trim() }),
    () => ({ code: undefined, said: 'the connection broke off' }),
  );
  const locked = new Promise<'locked'>(resolve => {
    open.stream.once('data', () => {
      resolve('locked');
    });
    open.stream.on('error', () => undefined);
  });
  const outcome = await Promise.race([locked, ended]);
  if (outcome !== 'locked') return outcome;
  let released = false;
  open.stream.resume();
  void ended.then(() => {
    if (!released)
      lost.abort(new CcliError('ssh_connection_lost', `The connection to ${host.name} broke off.`));
  });
  return {
    lost: lost.signal,
    async release() {
      released = true;
      open.stream.end();
      await ended;
    },
  };
}
