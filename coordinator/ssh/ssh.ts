/**
 * What the rest of the coordinator sees of SSH: hosts by the names that the user's own SSH configuration gives them, and
 * commands, streams and files on them, over pooled connections.
 */
import type { Duplex, Readable } from 'node:stream';
import type { Log } from '../../protocol/daemon/log.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { SshClientSettings } from './settings.ts';

export interface SshClientOptions {
  readonly settings: SshClientSettings;
  /** SSH_AUTH_SOCK and HOME are read from it. */
  readonly environment: Environment;
  readonly log: Log;
  /** Asks a person for the passphrase of a key; absent where nobody is there to answer. */
  readonly askPassphrase?: (key_file: string) => Promise<string | undefined>;
  /** For the jitter of pauses; from 0 to 1. */
  readonly random?: () => number;
}

/** Does nothing yet but load the client. */
export type OpenSsh = (options: SshClientOptions) => Promise<Ssh>;

export interface Ssh {
  /** One of the hosts, by any name that `ssh NAME` would take. Does nothing until it is used. */
  host(name: string): SshHost;
  readonly counts: () => readonly SshCounts[];
  /** Closes every connection; what runs on them is killed first. */
  close(): Promise<void>;
}

export interface SshHost {
  readonly name: string;
  /**
   * What the configuration makes of the name, without connecting.
   *
   * @throws CcliError `ssh_config_unsupported`
   */
  target(): Promise<SshTarget>;
  /**
   * A fresh connection of its own, closed again: what it took, stage by stage.
   *
   * @throws CcliError `ssh_unreachable`, `ssh_timeout`, `ssh_host_key_unknown|changed|revoked`, `ssh_auth_failed`,
   *   `ssh_key_locked`, `ssh_config_unsupported`
   */
  probe(signal: AbortSignal): Promise<SshTimings>;
  /**
   * Runs a command to its end. When `signal` aborts or `timeout_ms` is over, its whole process group on the host is
   * killed, and it rejects; where the host lets nobody do that, after 15 s without. After `ssh_connection_lost` nobody knows
   * whether it still runs there.
   *
   * @throws CcliError those of `probe`, `ssh_channel_refused`, `ssh_connection_lost`, `ssh_timeout`; an exit code that is
   *   not 0 is a result
   */
  run(command: RemoteCommand, options: RunOptions): Promise<RemoteResult>;
  /** Starts a command and gives its streams. @throws CcliError as `run` */
  open(command: RemoteCommand, signal: AbortSignal): Promise<RemoteProcess>;
  /** One SFTP session, closed afterwards. @throws CcliError as `run`, and `permission_denied`, `disk_full` */
  sftp<T>(work: (files: RemoteFiles) => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface SshTarget {
  readonly user: string;
  readonly hostname: string;
  readonly port: number;
  /** Hosts on the way, first one first. */
  readonly jumps: readonly string[];
}

/** Milliseconds. */
export interface SshTimings {
  readonly connect_ms: number;
  /** Until the host's key was seen and accepted. */
  readonly handshake_ms: number;
  readonly auth_ms: number;
  /** `SHA256:…` of the host's key, and its type. */
  readonly host_key: string;
}

/**
 * `argv`: quoted for the login shell of the host. `script`: run by `sh`, which reads it from stdin, so that nothing of it
 * shows in a process list; its input then is empty.
 */
export type RemoteCommand =
  | { readonly argv: readonly string[]; readonly stdin?: string | Uint8Array }
  | { readonly script: string };

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly timeout_ms: number;
  /** Of stdout and of stderr, each; the command is killed beyond it. 1 MiB unless told otherwise. */
  readonly max_output_bytes?: number;
}

export interface RemoteResult {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RemoteProcess {
  /** Its stdin and stdout. Ends with the process, or with the connection. */
  readonly stream: Duplex;
  readonly stderr: Readable;
  /** Resolves with how it ended. Rejects with `ssh_connection_lost` when that cannot be known. */
  readonly ended: Promise<{ readonly code: number | undefined; readonly signal: string | undefined }>;
  /** Ends its process group: SIGTERM, then SIGKILL. */
  kill(): Promise<void>;
}

/** Paths are absolute or below the login directory. */
export interface RemoteFiles {
  /** Undefined when there is none. */
  stat(path: string): Promise<RemoteStat | undefined>;
  list(path: string): Promise<readonly string[]>;
  read(path: string): Promise<Uint8Array>;
  /**
   * The whole file; or, with `from_byte`, the rest of one that broke off: `bytes` then are only that rest, and the file
   * must be exactly that long. @throws CcliError `upload_damaged` when it is not
   */
  write(path: string, bytes: Uint8Array, options: WriteOptions): Promise<void>;
  makeDirectory(path: string, mode: number): Promise<void>;
  /** Over whatever is there, atomically. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
}

export interface RemoteStat {
  readonly size_bytes: number;
  readonly mode: number;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
}

export interface WriteOptions {
  readonly mode: number;
  readonly from_byte?: number;
  /** Called with the bytes that are there so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** Of one host, for metrics. */
export interface SshCounts {
  readonly host: string;
  readonly connections: number;
  readonly sessions_in_use: number;
  readonly sessions_waiting: number;
  readonly handshakes: number;
  readonly failures: number;
  /** Whether its circuit is open: it failed so often that it is left alone for a while. */
  readonly circuit_open: boolean;
}
