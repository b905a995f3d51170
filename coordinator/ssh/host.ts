/** One host: its connections, and what is done over them. */
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { type Circuit, createCircuit } from './circuit.ts';
import type { ClientConfig } from './client-config.ts';
import { Connection } from './connection.ts';
import { within } from './deadline.ts';
import type { Keyring } from './keyring.ts';
import { type Link, openLink } from './link.ts';
import { openCommand } from './open-command.ts';
import { Pool } from './pool.ts';
import { resolveRoute } from './resolve.ts';
import { runToEnd } from './run.ts';
import { withFiles } from './sftp.ts';
import type {
  RemoteCommand,
  RemoteFiles,
  RemoteProcess,
  RemoteResult,
  RunOptions,
  SshClientOptions,
  SshCounts,
  SshHost,
  SshTarget,
  SshTimings,
} from './ssh.ts';

/** What a kill may take beyond the grace it gives. */
const KILL_TIMEOUT_MS = 15_000;
/** A host that does not answer must not keep anybody from leaving. */
const CLOSE_TIMEOUT_MS = 5_000;

export class Host implements SshHost {
  readonly name: string;
  readonly #options: SshClientOptions;
  readonly #keyring: Keyring;
  readonly #log: Log;
  readonly #circuit: Circuit;
  readonly #pool: Pool;
  readonly #running = new Set<RemoteProcess>();
  readonly #opening = new Set<Promise<RemoteProcess>>();
  /** Ends of commands that nobody waits for any more. */
  readonly #leftovers = new Set<Promise<void>>();
  #handshakes = 0;
  #failures = 0;

  constructor(name: string, options: SshClientOptions, keyring: Keyring) {
    const { settings, log, random = Math.random } = options;
    this.name = name;
    this.#options = options;
    this.#keyring = keyring;
    this.#log = log;
    this.#circuit = createCircuit(name, random);
    this.#pool = new Pool({
      host: name,
      log,
      circuit: this.#circuit,
      max_connections: settings.max_connections,
      max_sessions: settings.max_sessions,
      idle_ms: settings.idle_timeout,
      connect: signal => this.#connect(signal),
    });
  }

  get counts(): SshCounts {
    const { connections, in_use, waiting, lost } = this.#pool.counts;
    return {
      host: this.name,
      connections,
      sessions_in_use: in_use,
      sessions_waiting: waiting,
      handshakes: this.#handshakes,
      failures: this.#failures + lost,
      circuit_open: this.#circuit.isOpen(),
    };
  }

  async target(): Promise<SshTarget> {
    const route = await this.#route();
    const config = route.at(-1);
    if (config === undefined) throw new Error('a route without a host');
    const { user, hostname, port } = config;
    return { user, hostname, port, jumps: route.slice(0, -1).map(hop => hop.name) };
  }

  async probe(signal: AbortSignal): Promise<SshTimings> {
    const link = await this.#link(signal);
    link.destroy();
    return link.timings;
  }

  run(command: RemoteCommand, options: RunOptions): Promise<RemoteResult> {
    return runToEnd(command, options, {
      host: this.name,
      log: this.#log,
      open: (wanted, signal) => this.#open(closedStdin(wanted), signal),
    });
  }

  open(command: RemoteCommand, signal: AbortSignal): Promise<RemoteProcess> {
    return this.#open(command, signal);
  }

  async sftp<T>(work: (files: RemoteFiles) => Promise<T>, signal: AbortSignal): Promise<T> {
    const session = await this.#pool.session((connection, opening) => connection.sftp(opening), { signal });
    try {
      return await withFiles(session.channel, work, {
        host: this.name,
        signal,
        over: session.connection.over,
      });
    } finally {
      session.release();
    }
  }

  /** What runs is killed first, as far as the host lets us. */
  async close(): Promise<void> {
    this.#pool.shut();
    const killed = Promise.allSettled([
      ...[...this.#running].map(process => process.kill()),
      ...[...this.#opening].map(async opening => {
        await (await opening).kill();
      }),
      ...this.#leftovers,
    ]);
    await within(killed, { timeout_ms: CLOSE_TIMEOUT_MS, late: () => new CcliError('ssh_timeout') }).catch(
      (error: unknown) => {
        this.#log.warn('ssh_kill_failed', { host: this.name, ...errorFields(error) });
      },
    );
    await this.#pool.close();
  }

  async #open(command: RemoteCommand, signal: AbortSignal): Promise<RemoteProcess> {
    const opening = openCommand(command, {
      host: this.name,
      pool: this.#pool,
      log: this.#log,
      signal,
      kill_timeout_ms: KILL_TIMEOUT_MS,
      onLeftover: gone => {
        this.#leftovers.add(gone);
        void gone.then(() => this.#leftovers.delete(gone));
      },
    });
    this.#opening.add(opening);
    const process = await opening.finally(() => this.#opening.delete(opening));
    this.#running.add(process);
    const forget = (): void => {
      this.#running.delete(process);
    };
    process.ended.then(forget, forget);
    return process;
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const link = await this.#link(signal);
    const { keepalive_interval, connect_timeout } = this.#options.settings;
    return Connection.over({
      host: this.name,
      link,
      keepalive_ms: keepalive_interval,
      channel_timeout_ms: connect_timeout,
    });
  }

  async #link(signal: AbortSignal): Promise<Link> {
    const { settings } = this.#options;
    try {
      signal.throwIfAborted();
      const route = await this.#route(signal);
      const link = await openLink(route, {
        keyring: this.#keyring,
        timeout_ms: settings.connect_timeout,
        signal,
      });
      this.#handshakes += 1;
      this.#log.debug('ssh_connected', { host: this.name, ...link.timings });
      return link;
    } catch (error) {
      if (!signal.aborted) this.#failures += 1;
      throw error;
    }
  }

  /** Read anew for each connection: who mends the configuration need not start us again. */
  #route(signal?: AbortSignal): Promise<readonly ClientConfig[]> {
    return resolveRoute(this.name, { ...this.#options, ...(signal !== undefined && { signal }) });
  }
}

const closedStdin = (command: RemoteCommand): RemoteCommand =>
  'script' in command ? command : { ...command, stdin: command.stdin ?? '' };
