/** A real nats-server with a configuration of the test's own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { findNatsServer } from '../../../../coordinator/embedded/nats-server.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';

const PortsSchema = z.object({ nats: z.array(z.url()).min(1) });

/** @returns its URL. Ended when the test that asks for it has finished. */
export async function rawNats(configuration: string): Promise<string> {
  const { path } = await findNatsServer({ environment: process.env, onStage: () => undefined });
  const directory = await temporaryDirectory();
  const config = join(directory, 'nats-server.conf');
  await writeFile(config, configuration.replaceAll('{directory}', directory));
  const child = spawn(path, ['-a', '127.0.0.1', '-p', '-1', '-c', config, '--ports_file_dir', directory], {
    stdio: 'ignore',
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const ports = await waitFor(async () => {
    const file = (await readdir(directory)).find(name => name.endsWith('.ports'));
    return file !== undefined && PortsSchema.parse(JSON.parse(await readFile(join(directory, file), 'utf8')));
  });
  return ports.nats[0] ?? '';
}
