/** A command that runs on a host. */
import type { ClientChannel } from 'ssh2';
import type { Connection } from './connection.ts';
import { connectionLost } from './failure.ts';
import { type Leader, Marker } from './marker.ts';
import { ProcessErrors, ProcessStream } from './process-stream.ts';
import type { RemoteProcess } from './ssh.ts';

interface Options {
  readonly host: string;
  readonly mark: string;
  readonly connection: Connection;
  /** Ends the process group of this leader. Does not fail because the group is gone. */
  readonly killGroup: (leader: Leader) => Promise<void>;
}

/** A login shell may take its time before it comes to the command. */
const MARK_WAIT_MS = 5_000;
/** What is gone may have left the server with something to say about it. */
const LAST_WORD_MS = 1_000;

export function remoteProcess(
  channel: ClientChannel,
  { host, mark, connection, killGroup }: Options,
): RemoteProcess {
  const marker = new Marker(mark);
  let onMark = (): void => undefined;
  const marked = new Promise<void>(resolve => {
    onMark = resolve;
  });
  const stream = new ProcessStream(channel, marker, () => {
    onMark();
  });
  const stderr = new ProcessErrors(channel.stderr, new Marker(mark));
  let exit: { readonly code: number | undefined; readonly signal: string | undefined } | undefined;
  let over = false;
  let killed = false;
  channel.once('exit', (code: number | null, signal?: string) => {
    exit = { code: code ?? undefined, signal: code === null ? signal : undefined };
  });
  // Not before all its output was read: the channel holds its `close` back until then. The end of the connection is
  // heard in any case.
  let settle = (_cause?: Error): void => undefined;
  const ended = new Promise<Awaited<RemoteProcess['ended']>>((resolve, reject) => {
    settle = (cause?: Error): void => {
      over = true;
      onMark();
      const how = exit ?? (killed ? { code: undefined, signal: 'SIGTERM' } : undefined);
      if (how === undefined) reject(cause ?? connectionLost(host));
      else resolve(how);
    };
    // A command that ends at once may have said how before anybody listened: the end of the channel says it again.
    channel.once('close', (code?: number | null, signal?: string) => {
      if (code !== undefined)
        exit ??= { code: code ?? undefined, signal: code === null ? signal : undefined };
      // Where the connection has ended, it says why.
      if (exit !== undefined || connection.usable) settle();
    });
    void connection.over.then(settle);
  });
  ended.catch((error: unknown) => {
    stream.destroy(error instanceof Error ? error : undefined);
    stderr.destroy();
  });
  // `ended` says it.
  stream.on('error', () => undefined);

  let killing: Promise<void> | undefined;
  const kill = async (): Promise<void> => {
    const timer = setTimeout(() => {
      onMark();
    }, MARK_WAIT_MS);
    await marked;
    clearTimeout(timer);
    try {
      if (!over && marker.leader !== undefined) await killGroup(marker.leader);
      killed = true;
      const last = setTimeout(settle, LAST_WORD_MS);
      channel.once('close', () => {
        clearTimeout(last);
      });
    } finally {
      // Without a mark the command has not begun, and never will: its first word finds the channel closed.
      channel.close();
      stream.letGo();
      stderr.letGo();
    }
    await ended.catch(() => undefined);
  };
  return {
    stream,
    stderr,
    ended,
    kill: () => (killing ??= over ? Promise.resolve() : kill()),
  };
}
