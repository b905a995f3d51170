/**
 * A nats-server that also tells of its connections, so that what its clients hold open can be seen from outside; with
 * a limit to its store, if one is wanted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

export interface MonitoredNats {
  readonly url: string;
  readonly port: number;
  /** Of the connections whose name begins with this: how many subscriptions they hold together. */
  readonly subscriptions: (name: string) => Promise<number>;
}

const PortsSchema = z.object({ nats: z.array(z.url()).min(1), monitoring: z.array(z.url()).min(1) });
const ConnectionsSchema = z.object({
  connections: z.array(z.object({ name: z.string().optional(), subscriptions: z.int() })),
});

/** Ended when the test that asks for it has finished. */
export async function monitoredNats(max_file_store_bytes?: number): Promise<MonitoredNats> {
  const { path } = await findNatsServer({ environment: process.env, onStage: () => undefined });
  const directory = await temporaryDirectory();
  const limit = max_file_store_bytes === undefined ? '' : `max_file_store: ${max_file_store_bytes}`;
  const config = join(directory, 'nats-server.conf');
  await writeFile(config, `jetstream {\n  store_dir: ${JSON.stringify(directory)}\n  ${limit}\n}\n`);
  const anywhere = ['-a', '127.0.0.1', '-p', '-1', '-m', '-1'];
  const child = spawn(path, [...anywhere, '-c', config, '--ports_file_dir', directory], { stdio: 'ignore' });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const ports = await waitFor(async () => {
    const file = (await readdir(directory)).find(name => name.endsWith('.ports'));
    return file !== undefined && PortsSchema.parse(JSON.parse(await readFile(join(directory, file), 'utf8')));
  });
  const [url = ''] = ports.nats;
  const [monitoring = ''] = ports.monitoring;
  return {
    url,
    port: Number(new URL(url).port),
    async subscriptions(name) {
      const response = await fetch(`${monitoring}/connz`);
      const { connections } = ConnectionsSchema.parse(await response.json());
      return connections
        .filter(connection => connection.name?.startsWith(name))
        .reduce((sum, connection) => sum + connection.subscriptions, 0);
    },
  };
}
