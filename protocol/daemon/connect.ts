/** How every process of ours connects to NATS. */
import { readFileSync } from 'node:fs';
import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  NoRespondersError,
  nkeyAuthenticator,
  RequestError,
  TimeoutError,
} from '@nats-io/nats-core';
import { connect as connectTcp } from '@nats-io/transport-node';
import { CcliError } from '../errors.ts';
import { errorFields, type Log } from './log.ts';
import { reconnectOptions } from './reconnect.ts';
import { withinLimit } from './within-limit.ts';

export interface NatsSettings {
  /** `nats://host:port`, several separated by commas. */
  readonly url: string;
  /** Files, never values: a `.creds` file, an nkey seed, or a file holding a token. */
  readonly credentials_file?: string | undefined;
  readonly nkey_file?: string | undefined;
  readonly token_file?: string | undefined;
  readonly ca_file?: string | undefined;
}

/**
 * A daemon waits for its server, and logs that it does; a command gives up and says so. Once connected both reconnect
 * for ever: a command that waits for an answer has a patience of its own.
 */
type ConnectOptions = {
  /** Shown in the server's connection list. */
  readonly name: string;
} & ({ readonly patience: 'daemon'; readonly log: Log } | { readonly patience: 'command' });

const COMMAND_TIMEOUT_MS = 3_000;
const WAITING_LOG_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * @throws CcliError `nats_unreachable` or `nats_refused` (a command only: a daemon goes on trying), `config_invalid`
 *   when the address is none, or a credentials file cannot be read.
 */
export async function connect(settings: NatsSettings, options: ConnectOptions): Promise<NatsConnection> {
  const problem = addressProblem(settings.url);
  if (problem !== undefined) throw new CcliError('config_invalid', problem);
  const daemon = options.patience === 'daemon';
  const waiting = options.patience === 'daemon' ? tellWaiting(settings.url, options.log) : undefined;
  try {
    return await connectTcp({
      servers: settings.url.split(',').map(server => server.trim()),
      name: options.name,
      // A trace per request costs a third of the throughput.
      noAsyncTraces: true,
      pingInterval: 20_000,
      maxPingOut: 2,
      ...reconnectOptions(),
      timeout: COMMAND_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      waitOnFirstConnect: daemon,
      // Without it, three seconds of wrong credentials close the client for good.
      ignoreAuthErrorAbort: daemon,
      ...credentials(settings),
    });
  } catch (error) {
    throw connectionError(error, settings.url);
  } finally {
    clearInterval(waiting);
  }
}

/** A daemon that waits for its server says so, again and again. */
const tellWaiting = (url: string, log: Log): NodeJS.Timeout =>
  setInterval(() => {
    log.warn('waiting_for_nats', { url: redactUrl(url), error_code: 'nats_unreachable' });
  }, WAITING_LOG_MS);

/** Logs what becomes of a connection, until it is closed. */
export async function watchConnection(
  connection: NatsConnection,
  log: Log,
  on: { readonly disconnect?: () => void; readonly reconnect?: () => void } = {},
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') {
      log.warn('nats_disconnected', { error_code: 'nats_unreachable' });
      on.disconnect?.();
    } else if (status.type === 'reconnect') {
      log.info('nats_reconnected', { server: redactUrl(status.server) });
      on.reconnect?.();
    } else if (status.type === 'error') log.error('nats_error', errorFields(status.error));
  }
}

/** Sends what is still in the buffer, if the server is there to take it, then closes. */
export async function closeConnection(connection: NatsConnection): Promise<void> {
  // A line that is lost meanwhile takes nothing more: that is no reason not to close.
  const flushed = connection.isClosed() ? Promise.resolve() : connection.flush().catch(() => undefined);
  await withinLimit(flushed, CLOSE_TIMEOUT_MS);
  await connection.close();
}

function credentials(settings: NatsSettings): Partial<ConnectionOptions> {
  const read = (file: string): Uint8Array => {
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new CcliError('config_invalid', `The credentials file ${file} cannot be read.`, { cause });
    }
  };
  const text = (file: string): string => new TextDecoder().decode(read(file)).trim();
  return {
    ...(settings.credentials_file !== undefined && {
      authenticator: credsAuthenticator(read(settings.credentials_file)),
    }),
    ...(settings.nkey_file !== undefined && {
      authenticator: nkeyAuthenticator(new TextEncoder().encode(text(settings.nkey_file))),
    }),
    ...(settings.token_file !== undefined && { token: text(settings.token_file) }),
    ...(settings.ca_file !== undefined && { tls: { caFile: settings.ca_file } }),
  };
}

function connectionError(cause: unknown, url: string): CcliError {
  if (cause instanceof CcliError) return cause;
  if (cause instanceof AuthorizationError) {
    return new CcliError('nats_refused', `NATS at ${redactUrl(url)} refused the credentials.`, { cause });
  }
  return new CcliError(
    'nats_unreachable',
    `NATS does not answer at ${redactUrl(url)}. Start a fleet with \`ccli up\`, or check the address.`,
    { cause },
  );
}

const ADDRESS = /^(?:(?:nats|tls):\/\/)?(?:\[[^\]\s]+\]|[\w.-]+)(?::\d{1,5})?\/?$/i;

/**
 * What is wrong with an address, for people; undefined when nothing is. Never has the address in it: there may be a
 * secret inside, and the client library would drop it without a word.
 */
export function addressProblem(url: string): string | undefined {
  const servers = url.split(',').map(server => server.trim());
  if (servers.some(server => server.includes('@'))) {
    return (
      'The NATS address has credentials in it, and none are taken from there. Put them in a file, and name the file: ' +
      'CCLI_NATS_TOKEN_FILE for a token, CCLI_NATS_CREDENTIALS_FILE for a .creds file, CCLI_NATS_NKEY_FILE for an nkey seed.'
    );
  }
  if (servers.every(server => ADDRESS.test(server))) return undefined;
  return 'The NATS address does not fit; write it like nats://host:4222, several separated by commas.';
}

/** An address fit for a log: without user, password or token. */
export const redactUrl = (url: string): string => url.replace(/\/\/[^@/,]*@/g, '//');

/** What a failed request means to its caller; anything unforeseen stays what it is. */
export function requestError(cause: unknown, onNobody: () => CcliError): unknown {
  if (cause instanceof CcliError) return cause;
  const inner = cause instanceof RequestError && cause.cause !== undefined ? cause.cause : cause;
  if (cause instanceof RequestError && cause.isNoResponders()) return onNobody();
  if (inner instanceof NoRespondersError || inner instanceof TimeoutError) return onNobody();
  if (inner instanceof ConnectionError || inner instanceof ClosedConnectionError) {
    return new CcliError('nats_unreachable', undefined, { cause: inner });
  }
  return cause;
}
