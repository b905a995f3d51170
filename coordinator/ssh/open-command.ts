/** Starts a command over a session of the pool. */
import type { ClientChannel } from 'ssh2';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Connection } from './connection.ts';
import { within } from './deadline.ts';
import { seconds } from './failure.ts';
import { ended, killCommand } from './kill-group.ts';
import { type Leader, newMark } from './marker.ts';
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
  /** Of a command that nobody waits for any more and that may have begun: settles when it is gone. */
  readonly onLeftover: (gone: Promise<void>) => void;
}

/** When the signal aborts, its process group is ended. @throws CcliError as `SshHost.open` */
export async function openCommand(
  command: RemoteCommand,
  { host, pool, log, signal, kill_timeout_ms, onLeftover }: OpenOptions,
): Promise<RemoteProcess> {
  const mark = newMark();
  const line = markedCommandLine(mark, 'script' in command ? ['/bin/sh'] : command.argv);
  const begun = (channel: ClientChannel, connection: Connection): RemoteProcess =>
    remoteProcess(channel, {
      host,
      mark,
      connection,
      killGroup: leader => killGroup(host, pool, leader, kill_timeout_ms),
    });
  const end = (process: RemoteProcess): Promise<void> =>
    process.kill().catch((error: unknown) => {
      log.warn('ssh_kill_failed', { host, ...errorFields(error) });
    });
  const session = await pool.session(
    (connection, opening, keep) =>
      connection.exec(line, opening, late => {
        const gone = late.then(
          channel => end(begun(channel, connection)),
          () => undefined,
        );
        keep(gone);
        onLeftover(gone);
      }),
    { signal },
  );
  const process = begun(session.channel, session.connection);
  const onAbort = (): void => {
    void end(process);
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

async function killGroup(host: string, pool: Pool, leader: Leader, timeout_ms: number): Promise<void> {
  const look = `look at them there with \`ps -o pid,stat,args -g ${leader.pid}\``;
  const late = (): CcliError =>
    new CcliError(
      'ssh_timeout',
      `Whether the processes of group ${leader.pid} on ${host} have ended was not known within ${seconds(timeout_ms)}; ${look}.`,
    );
  const stop = new AbortController();
  const timer = setTimeout(() => {
    stop.abort(late());
  }, timeout_ms);
  try {
    const session = await pool.session(
      (connection, opening): Promise<ClientChannel> => connection.exec(killCommand(leader), opening),
      { signal: stop.signal, urgent: true },
    );
    try {
      const code = await within(
        Promise.race([ended(session.channel), session.connection.over.then(() => undefined)]),
        { signal: stop.signal, late },
      );
      if (code !== 0)
        throw new CcliError(
          'remote_command_failed',
          `The processes of group ${leader.pid} on ${host} could not be ended; ${look}.`,
        );
    } finally {
      session.channel.close();
      session.release();
    }
  } finally {
    clearTimeout(timer);
  }
}
