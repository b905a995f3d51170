/** Starts a tool as the leader of its own process group and knows when all that it started has gone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough, Readable, type Writable } from 'node:stream';
import { CcliError } from '../../protocol/errors.ts';
import { follow } from './follow.ts';
import { groupRuns } from './group.ts';
import { recordGroup } from './ledger.ts';
import { stopStrays, strayMark } from './strays.ts';
import { STOP_GRACE_MS, stopGroup } from './terminate.ts';

const STDERR_TAIL_CHARS = 64 * 1024;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ToolProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when nothing of the process group runs any more, nor what left it, or it cannot be killed; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** The last of what it wrote to stderr. */
  stderrTail(): string;
  /** Stops the group; safe to call more than once, and after it has ended. */
  stop(grace_ms?: number): Promise<void>;
}

interface SpawnOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Has the tool write to a new file of this name instead of a pipe: nothing it writes can be lost. */
  readonly stdout_file?: string;
  /** So many characters came on its stderr. */
  readonly onStderr?: (chars: number) => void;
  /** Of these groups something still runs, and no signal ends it. */
  readonly onNotKilled?: ((pgids: readonly number[]) => void) | undefined;
}

/**
 * @throws CcliError `cli_missing` when the file cannot be started, `cli_crashed` for any other failure to start,
 *   `outbox_full` when its start cannot be written down.
 */
export async function spawnTool(options: SpawnOptions): Promise<ToolProcess> {
  const { file, args, cwd, env, stdout_file } = options;
  const output = stdout_file === undefined ? undefined : await open(stdout_file, 'wx', 0o600);
  const mark = strayMark();
  const child = spawn(file, args, {
    cwd,
    env: { ...env, ...mark },
    detached: true,
    stdio: ['pipe', output?.fd ?? 'pipe', 'pipe'],
  });
  const exited = new Promise<ProcessEnd>(resolve => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
  });
  // A tool need not read what it is sent: its end shows in how it exits, not in a broken pipe.
  child.stdin?.on('error', () => undefined);
  const printed = child.stdout === null ? undefined : readableLater(child.stdout);
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw startFailure(error, file, cwd);
  } finally {
    await output?.close();
  }
  const { pid, stdin, stderr } = child;
  if (pid === undefined || stdin === null || stderr === null)
    throw new CcliError('internal', 'A process started without its pipes.');
  const stderrTail = keepTail(stderr, options.onStderr);
  const group = await attend({ pid, env, mark, onNotKilled: options.onNotKilled }, exited);
  const stdout = printed ?? Readable.from(follow(stdout_file ?? '', group.ended));
  return { pid, stdin, stdout, stderrTail, ...group };
}

interface Leader extends Pick<SpawnOptions, 'onNotKilled'> {
  readonly pid: number;
  readonly env: Readonly<Record<string, string>>;
  readonly mark: Readonly<Record<string, string>>;
}

async function attend(
  { pid, env, mark, onNotKilled }: Leader,
  exited: Promise<ProcessEnd>,
): Promise<Pick<ToolProcess, 'ended' | 'stop'>> {
  let stopping: Promise<void> | undefined;
  let gone = false;
  let giveUp = (): void => undefined;
  /** A leader that hangs in the kernel never exits. */
  const given_up = new Promise<ProcessEnd>(resolve => {
    giveUp = () => {
      resolve({ code: null, signal: null });
    };
  });
  const stopAll = async (grace_ms: number): Promise<void> => {
    await stopGroup(pid, grace_ms);
    if (groupRuns(pid)) giveUp();
  };
  const stop = (grace_ms: number = STOP_GRACE_MS): Promise<void> => (stopping ??= stopAll(grace_ms));
  const recorded = recordGroup(env, pid);
  const ended = Promise.race([exited, given_up]).then(async end => {
    // What the leader left behind goes with it.
    if (groupRuns(pid)) await stop();
    else await stopping;
    gone = true;
    const strays = await stopStrays(mark, { stopped: [pid] });
    const not_killed = new Set([...strays, ...(groupRuns(pid) ? [pid] : [])]);
    if (not_killed.size > 0) onNotKilled?.([...not_killed]);
    // A line that stays is found to be nobody's at the next start, or what could not be killed.
    await recorded.then(forget => forget()).catch(() => undefined);
    return end;
  });
  try {
    await recorded;
  } catch (error) {
    await stop(0);
    await ended;
    throw error;
  }
  return {
    ended,
    async stop(grace_ms) {
      // The id of a group that has gone may already be somebody else's.
      if (!gone) await stop(grace_ms);
      await ended;
    },
  };
}

/** When a process ends, Node throws away what nobody reads yet; a tool may be done before anybody does. */
function readableLater(stream: Readable): Readable {
  const kept = new PassThrough();
  stream.once('error', error => {
    kept.destroy(error);
  });
  kept.once('close', () => {
    stream.destroy();
  });
  return stream.pipe(kept);
}

function startFailure(cause: unknown, file: string, cwd: string): CcliError {
  if (!existsSync(cwd))
    return new CcliError(
      'cli_crashed',
      `The working directory ${cwd} does not exist; create it, or mend \`cwd\`.`,
      { cause },
    );
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT')
    return new CcliError('cli_missing', `${file} does not exist; install it, or mend \`command\`.`, {
      cause,
    });
  if (code === 'EACCES')
    return new CcliError('cli_missing', `${file} may not be run; make it executable, or mend \`command\`.`, {
      cause,
    });
  return new CcliError('cli_crashed', `${file} could not be started.`, { cause });
}

function keepTail(stream: Readable, onText?: (chars: number) => void): () => string {
  let tail = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL_CHARS);
    onText?.(text.length);
  });
  return () => tail;
}
