/** Starts a command over a session of the pool. */
import type { ClientChannel } from 'ssh2';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { within } from './deadline.ts';
import { stageTimeout } from './failure.ts';
import { ended, killCommand } from './kill-group.ts';
import { newMark } from './marker.ts';
import type { Pool } from './pool.ts';
import { markedCommandLine, wholeScript } from './quote.ts';
import { remoteProcess } from './remote-process.ts';
import type { RemoteCommand, RemoteProcess } from './ssh.ts';

interface OpenOptions {
  readonly host: string;
  readonly pool: Pool;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Until a group that must go is gone. */
  readonly kill_timeout_ms: number;
}

/** When the signal aborts, its process group is ended. @throws CcliError as `SshHost.open` */
export async function openCommand(
  command: RemoteCommand,
  { host, pool, log, signal, kill_timeout_ms }: OpenOptions,
): Promise<RemoteProcess> {
  const mark = newMark();
  const line = markedCommandLine(mark, 'script' in command ? ['/bin/sh'] : command.argv);
  const session = await pool.session((connection, opening) => connection.exec(line, opening), { signal });
  const process = remoteProcess(session.channel, {
    host,
    mark,
    connection: session.connection,
    killGroup: pid => killGroup(host, pool, pid, kill_timeout_ms),
  });
  const onAbort = (): void => {
    process.kill().catch((error: unknown) => {
      log.warn('ssh_kill_failed', { host, ...errorFields(error) });
    });
  };
  const onEnd = (): void => {
    signal.removeEventListener('abort', onAbort);
    session.release();
  };
  process.ended.then(onEnd, onEnd);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  if ('script' in command) process.stream.end(wholeScript(command.script));
  else if (command.stdin !== undefined) process.stream.end(command.stdin);
  return process;
}

async function killGroup(host: string, pool: Pool, pid: number, timeout_ms: number): Promise<void> {
  const signal = AbortSignal.timeout(timeout_ms);
  const session = await pool.session(
    (connection, opening): Promise<ClientChannel> => connection.exec(killCommand(pid), opening),
    { signal, urgent: true },
  );
  try {
    const code = await within(
      Promise.race([ended(session.channel), session.connection.over.then(() => undefined)]),
      {
        signal,
        late: () => stageTimeout(host, 'channel', timeout_ms),
      },
    );
    if (code !== 0)
      throw new CcliError(
        'remote_command_failed',
        `The processes of group ${pid} on ${host} could not be ended; look at them there with \`ps -o pid,stat,args -g ${pid}\`.`,
      );
  } finally {
    session.channel.close();
    session.release();
  }
}
