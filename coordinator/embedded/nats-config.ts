/** The configuration file of the embedded server. */
import { statfs } from 'node:fs/promises';
import { knowsSyncInterval, type Version } from './nats-version.ts';

const GIB = 1024 ** 3;
const MAX_FILE_STORE = 16 * GIB;

/** As `deploy/nats/nats-server.conf` has them, which says what each is for. */
export const SERVER_LIMITS = {
  max_payload: '1MB',
  max_connections: '4096',
  write_deadline: '"10s"',
  ping_interval: '"20s"',
  ping_max: '3',
} as const;
export const JETSTREAM_LIMITS = { max_memory_store: '256MB' } as const;

const lines = (settings: Readonly<Record<string, string>>, indent = ''): string =>
  Object.entries(settings)
    .map(([name, value]) => `${indent}${name}: ${value}\n`)
    .join('');

export interface NatsConfigOptions {
  readonly version: Version;
  readonly server_name: string;
  /** -1 for any free one. */
  readonly port: number;
  readonly store_dir: string;
  /** Where the server writes which port it took, once it is ready. */
  readonly ports_dir: string;
  readonly max_file_store_bytes: number;
  /** `always`: every acknowledged write is on the disk. `default`: faster, for tests. */
  readonly sync: 'always' | 'default';
}

/** Values are quoted as JSON strings, which the server's own syntax takes as they are. */
export function natsConfig(options: NatsConfigOptions): string {
  const sync =
    options.sync === 'always' && knowsSyncInterval(options.version) ? '  sync_interval: always\n' : '';
  return `# Written anew at each start of the embedded fleet.
host: 127.0.0.1
port: ${options.port}
server_name: ${JSON.stringify(options.server_name)}
ports_file_dir: ${JSON.stringify(options.ports_dir)}
${lines(SERVER_LIMITS)}jetstream {
  store_dir: ${JSON.stringify(options.store_dir)}
  max_file_store: ${options.max_file_store_bytes}
${lines(JETSTREAM_LIMITS, '  ')}${sync}}
`;
}

/** Below the disk's size: a full disk breaks a server until it is restarted, a full store only refuses writes. */
export async function fileStoreLimit(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return Math.max(GIB, Math.min(MAX_FILE_STORE, Math.floor(bavail * bsize * 0.75)));
}
