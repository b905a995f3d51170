/** nats-server as a child: its own store, on loopback, gone when we are. */
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { isFree } from './free-port.ts';
import { type Exit, type GuardedProcess, spawnGuarded } from './guardian.ts';
import { lastLines } from './log-tail.ts';
import { fileStoreLimit, natsConfig } from './nats-config.ts';
import type { NatsServer } from './nats-server.ts';
import { poll } from './poll.ts';

/** A large store is recovered before the server takes connections. */
const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_S = 15;
/** The one every NATS tool tries first. */
const NATS_PORT = 4222;
const ANY_PORT = -1;

interface NatsProcessOptions {
  readonly server: NatsServer;
  readonly environment: Environment;
  /** Holds the store, the configuration and the ports file; made when absent. */
  readonly directory: string;
  readonly log_file: string;
  readonly server_name: string;
  /** A number: this one or none. `preferred`: 4222 if free, else any. */
  readonly port: number | 'preferred' | 'any';
  readonly sync?: 'always' | 'default';
  readonly signal?: AbortSignal | undefined;
}

export interface NatsProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number | undefined;
  readonly exited: Promise<Exit>;
  /** SIGTERM, and SIGKILL after 15 seconds. */
  readonly stop: () => Promise<void>;
  /** SIGKILL at once. */
  readonly kill: () => Promise<void>;
}

/** @throws CcliError `start_failed` with the server's last log lines. */
export async function startNatsProcess(options: NatsProcessOptions): Promise<NatsProcess> {
  const { port } = options;
  if (port === 'any') return await startOn(options, ANY_PORT);
  if (port === 'preferred') return await startOnPreferred(options);
  if (await isFree(port)) return await startOn(options, port);
  throw new CcliError(
    'start_failed',
    `Port ${port} on 127.0.0.1 is taken. Name another one with --port, or none to get a free one.`,
  );
}

/** Somebody may take the port between our look and the server's: then it is any. */
async function startOnPreferred(options: NatsProcessOptions): Promise<NatsProcess> {
  if (!(await isFree(NATS_PORT))) return await startOn(options, ANY_PORT);
  try {
    return await startOn(options, NATS_PORT);
  } catch (error) {
    if (await isFree(NATS_PORT)) throw error;
    return await startOn(options, ANY_PORT);
  }
}

async function startOn(options: NatsProcessOptions, port: number): Promise<NatsProcess> {
  const { directory, log_file, signal } = options;
  const ports_dir = join(directory, 'ports');
  await rm(ports_dir, { recursive: true, force: true });
  await mkdir(ports_dir, { recursive: true });
  const config_file = join(directory, 'nats-server.conf');
  const config = natsConfig({
    version: options.server.version,
    server_name: options.server_name,
    port,
    store_dir: directory,
    ports_dir,
    max_file_store_bytes: await fileStoreLimit(directory),
    sync: options.sync ?? 'always',
  });
  await writeFile(config_file, config);

  const log = await open(log_file, 'w', 0o600);
  const child = spawnServer(options, config_file, log.fd);
  await log.close();
  try {
    const taken = await readyPort(ports_dir, child, signal);
    if (taken === undefined) throw await notReady(child, log_file);
    return {
      url: `nats://127.0.0.1:${taken}`,
      port: taken,
      pid: child.pid,
      exited: child.exited,
      stop: child.stop,
      kill: child.kill,
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

const spawnServer = (options: NatsProcessOptions, config_file: string, log: number): GuardedProcess =>
  spawnGuarded({
    command: options.server.path,
    args: ['--config', config_file],
    // The server needs nothing of ours; what it is not given it cannot show.
    environment: { PATH: options.environment['PATH'] },
    cwd: options.directory,
    output: log,
    grace_s: STOP_GRACE_S,
  });

const PortsSchema = z.object({ nats: z.array(z.url()).min(1) });

/** Undefined when the server ended, or did not get ready in time. */
async function readyPort(
  ports_dir: string,
  child: GuardedProcess,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  let ended = false;
  void child.exited.then(() => {
    ended = true;
  });
  const found = await poll(async () => (ended ? 'ended' : await readPort(ports_dir)), {
    timeout_ms: READY_TIMEOUT_MS,
    pause_ms: 5,
    max_pause_ms: 100,
    signal,
  });
  return found === 'ended' ? undefined : found;
}

async function readPort(ports_dir: string): Promise<number | undefined> {
  const file = (await readdir(ports_dir)).find(name => name.endsWith('.ports'));
  if (file === undefined) return undefined;
  const text = await readFile(join(ports_dir, file), 'utf8');
  // The server does not write it in one piece.
  if (!text.trimEnd().endsWith('}')) return undefined;
  const url = PortsSchema.parse(JSON.parse(text)).nats[0];
  return url === undefined ? undefined : Number(new URL(url).port);
}

async function notReady(child: GuardedProcess, log_file: string): Promise<CcliError> {
  await child.stop();
  const { code, error } = await child.exited;
  return new CcliError(
    'start_failed',
    `nats-server did not start (code ${code ?? 'unknown'}). Its last words, from ${log_file}:\n${await lastLines(log_file)}`,
    { cause: error },
  );
}
