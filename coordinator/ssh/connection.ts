/** One SSH connection and the sessions on it. */
import type { ClientChannel, SFTPWrapper } from 'ssh2';
import { CcliError } from '../../protocol/errors.ts';
import { within } from './deadline.ts';
import { connectionLost, isCcliError, stageTimeout } from './failure.ts';
import { keepAlive } from './keepalive.ts';
import type { Link } from './link.ts';

interface ConnectionOptions {
  readonly host: string;
  readonly link: Link;
  readonly keepalive_ms: number;
  readonly channel_timeout_ms: number;
}

/** The server takes no more sessions than those that were open when it said so. */
export class Refusal extends Error {
  readonly others: number;

  constructor(others: number, cause: unknown) {
    super('no more sessions', { cause });
    this.others = others;
  }
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #stopKeepAlive: () => void;
  #sessions = 0;
  #closing = false;
  #failure: unknown;
  /** Resolves when it is over: with an error unless it was closed from here. */
  readonly over: Promise<Error | undefined>;
  /** No new sessions on it. */
  retired = false;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    const { client, socket } = options.link;
    this.over = new Promise(resolve => {
      client.once('close', () => {
        this.#stopKeepAlive();
        this.retired = true;
        options.link.destroy();
        resolve(this.#closing ? undefined : connectionLost(options.host, this.#failure));
      });
    });
    client.on('error', error => {
      this.#failure ??= error;
    });
    this.#stopKeepAlive = keepAlive(options.link, options.keepalive_ms, () => {
      this.#failure ??= new Error('it stopped answering');
      options.link.destroy();
    });
    socket.unref();
  }

  /** Starts to watch over it. */
  static over(options: ConnectionOptions): Connection {
    return new Connection(options);
  }

  get sessions(): number {
    return this.#sessions;
  }

  /** Whether it may be asked for another session. */
  get usable(): boolean {
    return !this.retired && this.#options.link.writable();
  }

  /** A process that does nothing else need not stay for a connection without sessions. */
  hold(): void {
    this.#sessions += 1;
    this.#options.link.socket.ref();
  }

  /**
   * Until the server has seen all that was sent so far. A session counts there until the end of its channel was seen, and
   * one that is asked for in the same breath would be refused. A connection that does not answer takes no more.
   */
  async caughtUp(): Promise<void> {
    if (!this.usable) return;
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>(resolve => {
      this.#options.link.ping(resolve);
      timer = setTimeout(() => {
        this.retired = true;
        resolve();
      }, this.#options.channel_timeout_ms);
      timer.unref();
    });
    await Promise.race([answered, this.over]);
    clearTimeout(timer);
  }

  release(): void {
    this.#sessions -= 1;
    if (this.#sessions === 0) this.#options.link.socket.unref();
  }

  /** @param onGiveUp gets what may still come: the command may have begun all the same */
  exec(
    command: string,
    signal: AbortSignal,
    onGiveUp: (late: Promise<ClientChannel>) => void = closeLater,
  ): Promise<ClientChannel> {
    const opened = new Promise<ClientChannel>((resolve, reject) => {
      this.#options.link.client.exec(command, (error, channel) => {
        if (error === undefined) resolve(channel);
        else reject(this.#refusal(error));
      });
    });
    return this.#opening(opened, signal, onGiveUp);
  }

  sftp(signal: AbortSignal): Promise<SFTPWrapper> {
    const opened = new Promise<SFTPWrapper>((resolve, reject) => {
      this.#options.link.client.sftp((error, files) => {
        if (error === undefined) resolve(files);
        else reject(this.#refusal(error));
      });
    });
    return this.#opening(opened, signal, late => {
      late.then(
        files => {
          files.on('error', () => undefined);
          files.end();
        },
        () => undefined,
      );
    });
  }

  close(): void {
    this.#closing = true;
    this.retired = true;
    this.#options.link.client.end();
    // Nobody waits for its answer.
    this.#options.link.destroy();
  }

  /** Counted at once: the next thing that arrives may be the end of another session. */
  #refusal(error: Error): Error {
    // The library gives the server's reason, a number, to this kind of failure alone.
    const is_refusal = 'reason' in error && typeof error.reason === 'number';
    return is_refusal ? new Refusal(this.#sessions - 1, error) : error;
  }

  async #opening<T>(
    opened: Promise<T>,
    signal: AbortSignal,
    onGiveUp: (late: Promise<T>) => void,
  ): Promise<T> {
    const { host, channel_timeout_ms } = this.#options;
    const lost = this.over.then((error): never => {
      throw error ?? connectionLost(host);
    });
    const settled = Promise.race([opened, lost]);
    try {
      return await within(settled, {
        timeout_ms: channel_timeout_ms,
        late: () => {
          // Whether it is dead or only slow: the next one is better off on another.
          this.retired = true;
          return stageTimeout(host, 'channel', channel_timeout_ms);
        },
        signal,
      });
    } catch (error) {
      onGiveUp(within(settled, { timeout_ms: channel_timeout_ms, late: () => connectionLost(host) }));
      if (isCcliError(error) || error instanceof Refusal || signal.aborted) throw error;
      // The library's own words for the end of a connection are many.
      if (!this.usable) throw connectionLost(host, error);
      throw new CcliError(
        'ssh_channel_refused',
        `${host} opened a session and refused to use it (${error instanceof Error ? error.message : String(error)}); look at ForceCommand, Subsystem and the log of sshd there, and whether the login shell prints anything.`,
        { cause: error },
      );
    }
  }
}

function closeLater(late: Promise<ClientChannel>): void {
  late.then(
    channel => {
      channel.on('error', () => undefined);
      channel.close();
    },
    () => undefined,
  );
}
