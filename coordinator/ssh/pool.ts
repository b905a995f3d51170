/**
 * The connections to one host, and who waits for a session on them.
 *
 * Sessions are handed out in the order they were asked for. A server may allow fewer on a connection than we were told:
 * one that is refused lowers the bound to what was open then, and the request takes its old place in the queue again. The
 * bound is forgotten with the last connection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../protocol/daemon/log.ts';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Circuit } from './circuit.ts';
import { type Connection, Refusal } from './connection.ts';
import { isCcliError, reasonOf } from './failure.ts';

interface PoolOptions {
  readonly host: string;
  readonly log: Log;
  readonly circuit: Circuit;
  readonly max_connections: number;
  readonly max_sessions: number;
  readonly idle_ms: number;
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
}

/** How often a request may be refused on a connection that has no other session. */
const ALONE_TIMES = 2;
const ALONE_PAUSE_MS = 100;

interface Waiting {
  readonly number: number;
  readonly urgent: boolean;
  readonly give: (connection: Connection) => void;
  readonly fail: (error: Error) => void;
}

interface AskOptions {
  readonly signal: AbortSignal;
  /** Before all others, and on a connection more than there may be: to stop what fills the others. */
  readonly urgent?: boolean;
}

export interface Session<T> {
  readonly channel: T;
  readonly connection: Connection;
  /** Once it is closed. Somebody else gets it when the server, too, has seen that. */
  readonly release: () => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #connections = new Map<Connection, NodeJS.Timeout | undefined>();
  readonly #closing = new AbortController();
  #opening = 0;
  #asked = 0;
  #bound: number;
  #queue: Waiting[] = [];
  #lost = 0;
  #shut = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#bound = options.max_sessions;
  }

  get counts(): {
    readonly connections: number;
    readonly in_use: number;
    readonly waiting: number;
    readonly lost: number;
  } {
    const all = [...this.#connections.keys()];
    return {
      connections: all.length,
      in_use: all.reduce((sum, { sessions }) => sum + sessions, 0),
      waiting: this.#queue.length,
      lost: this.#lost,
    };
  }

  /**
   * A session, opened by `open` on some connection. When that fails and leaves something behind, it may keep the session
   * until that is gone.
   *
   * @throws CcliError `ssh_channel_refused` when even a connection of its own takes none; whatever `connect` throws
   */
  async session<T>(
    open: (
      connection: Connection,
      signal: AbortSignal,
      keep: (until: Promise<unknown>) => void,
    ) => Promise<T>,
    { signal, urgent = false }: AskOptions,
  ): Promise<Session<T>> {
    const number = (this.#asked += 1);
    let refused_alone = 0;
    for (;;) {
      const connection = await this.#connection(number, urgent, signal);
      let released = false;
      let kept: Promise<unknown> = Promise.resolve();
      const release = (): void => {
        if (released) return;
        released = true;
        void kept
          .then(() => connection.caughtUp())
          .then(() => {
            connection.release();
            this.#serve();
          });
      };
      const keep = (until: Promise<unknown>): void => {
        kept = until.catch(() => undefined);
      };
      try {
        return { channel: await open(connection, signal, keep), connection, release };
      } catch (error) {
        if (!(error instanceof Refusal)) {
          release();
          throw error;
        }
        if (error.others > 0) {
          this.#bound = Math.min(this.#bound, error.others);
          this.#options.log.debug('ssh_sessions_bounded', {
            host: this.#options.host,
            sessions: this.#bound,
          });
          release();
          continue;
        }
        refused_alone += 1;
        // Once it may still be busy with the end of the last session.
        if (refused_alone > 1) connection.retired = true;
        release();
        if (refused_alone > ALONE_TIMES) throw refused(this.#options.host, error.cause);
        await delay(ALONE_PAUSE_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** From here on only what is urgent is served. */
  shut(): void {
    this.#shut = true;
    for (const { fail } of this.#queue.filter(({ urgent }) => !urgent)) fail(closed(this.#options.host));
  }

  /** Whatever is open on the connections ends with them. */
  async close(): Promise<void> {
    this.#closing.abort(closed(this.#options.host));
    for (const { fail } of [...this.#queue]) fail(closed(this.#options.host));
    const connections = [...this.#connections.keys()];
    for (const connection of connections) connection.close();
    await Promise.all(connections.map(({ over }) => over));
  }

  #connection(number: number, urgent: boolean, signal: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const gone = this.#closing.signal.aborted || (this.#shut && !urgent);
      if (signal.aborted || gone) {
        reject(signal.aborted ? reasonOf(signal) : closed(this.#options.host));
        return;
      }
      const leave = (): void => {
        this.#queue = this.#queue.filter(one => one !== waiting);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        leave();
        reject(reasonOf(signal));
      };
      const waiting: Waiting = {
        number,
        urgent,
        give: connection => {
          leave();
          connection.hold();
          resolve(connection);
        },
        fail: error => {
          leave();
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(waiting);
      this.#queue.sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.number - b.number);
      this.#serve();
    });
  }

  /** Gives what is free to those who wait, and opens another connection when that is not enough. */
  #serve(): void {
    for (const waiting of [...this.#queue]) {
      const free = this.#free();
      if (free === undefined) break;
      waiting.give(free);
    }
    this.#rest();
    const wanted = Math.ceil(this.#queue.length / this.#bound);
    const room =
      this.#options.max_connections + (this.#queue[0]?.urgent === true ? 1 : 0) - this.#usable().length;
    const more = Math.min(wanted, room) - this.#opening;
    for (let count = 0; count < more; count += 1) this.#open();
  }

  #usable(): Connection[] {
    return [...this.#connections.keys()].filter(connection => connection.usable);
  }

  /** The one with the fewest sessions. */
  #free(): Connection | undefined {
    return this.#usable()
      .filter(({ sessions }) => sessions < this.#bound)
      .sort((a, b) => a.sessions - b.sessions)[0];
  }

  #open(): void {
    const { circuit, connect, host, log } = this.#options;
    const { signal } = this.#closing;
    this.#opening += 1;
    circuit
      .run(() => connect(signal), signal)
      .then(
        connection => {
          this.#opening -= 1;
          this.#take(connection);
        },
        (error: unknown) => {
          this.#opening -= 1;
          const failure = isCcliError(error)
            ? error
            : signal.aborted
              ? closed(host)
              : new CcliError('internal', undefined, { cause: error });
          if (failure.code === 'internal') log.error('ssh_connect_failed', { host, ...errorFields(error) });
          // Those who wait may still be served by other connections.
          if (this.#usable().length > 0 || this.#opening > 0) return;
          for (const { fail } of [...this.#queue]) fail(failure);
        },
      );
  }

  #take(connection: Connection): void {
    const { host, log } = this.#options;
    if (this.#closing.signal.aborted) {
      connection.close();
      return;
    }
    this.#connections.set(connection, undefined);
    void connection.over.then(error => {
      clearTimeout(this.#connections.get(connection));
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#bound = this.#options.max_sessions;
      if (error !== undefined) {
        this.#lost += 1;
        log.warn('ssh_connection_lost', { host, ...errorFields(error) });
      }
      if (!this.#closing.signal.aborted) this.#serve();
    });
    this.#serve();
  }

  /** Those without sessions are closed: at once when they take no more, else after a while. */
  #rest(): void {
    const spare = this.#usable().length > this.#options.max_connections;
    for (const [connection, timer] of this.#connections) {
      if (connection.sessions > 0) {
        clearTimeout(timer);
        this.#connections.set(connection, undefined);
      } else if (connection.retired || spare) connection.close();
      else if (timer === undefined) {
        const idle = setTimeout(() => {
          connection.close();
        }, this.#options.idle_ms);
        idle.unref();
        this.#connections.set(connection, idle);
      }
    }
  }
}

const refused = (host: string, cause: unknown): CcliError =>
  new CcliError(
    'ssh_channel_refused',
    `${host} opens no session at all; look at MaxSessions in its sshd_config, and at the log of sshd.`,
    { cause },
  );

const closed = (host: string): CcliError =>
  new CcliError('cancelled', `The SSH client was closed while ${host} was asked for something.`);
