import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { loadCoordinatorConfig } from '../../coordinator/config.ts';
import { JETSTREAM_LIMITS, natsConfig, SERVER_LIMITS } from '../../coordinator/embedded/nats-config.ts';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { provision } from '../../coordinator/provision.ts';
import { names } from '../../protocol/subjects.ts';
import { root } from '../support/built.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const file = join(root, 'deploy', 'nats', 'nats-server.conf');
const MIB = 1024 ** 2;

const settings = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/^\s*(\w+): (.+)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );

test('a real nats-server finds nothing wrong with the configuration', async () => {
  const { path } = await findNatsServer({ environment: process.env, onStage: () => undefined });
  const { stderr } = await promisify(execFile)(path, ['-t', '-c', file]);
  expect(stderr).toMatch(/configuration file .* is valid/i);
});

test('the embedded server runs with the same values', async () => {
  const shipped = settings(await readFile(file, 'utf8'));
  const embedded = settings(
    natsConfig({
      version: { major: 2, minor: 14, patch: 0 },
      server_name: 'x',
      port: -1,
      store_dir: '/x',
      ports_dir: '/x',
      max_file_store_bytes: 1,
      sync: 'always',
    }),
  );
  for (const name of [
    ...Object.keys(SERVER_LIMITS),
    ...Object.keys(JETSTREAM_LIMITS),
    'sync_interval',
    'host',
  ])
    expect({ [name]: embedded[name] }).toEqual({ [name]: shipped[name] });
});

test('a server with this configuration has room for the stores that a coordinator makes', async () => {
  const directory = await temporaryDirectory();
  const changed = {
    port: '-1',
    http: '127.0.0.1:-1',
    store_dir: JSON.stringify(join(directory, 'store')),
  };
  let text = await readFile(file, 'utf8');
  for (const [name, value] of Object.entries(changed))
    text = text.replace(new RegExp(`^(\\s*${name}:) .*$`, 'm'), `$1 ${value}`);
  const ports = join(directory, 'ports');
  await mkdir(ports);
  const config = join(directory, 'nats-server.conf');
  await writeFile(config, `${text}\nports_file_dir: ${JSON.stringify(ports)}\n`);
  const { path } = await findNatsServer({ environment: process.env, onStage: () => undefined });
  const server = spawn(path, ['-c', config], { stdio: 'ignore' });
  const ended = once(server, 'exit');
  onTestFinished(async () => {
    server.kill('SIGTERM');
    await ended;
  });
  const url = await waitFor(
    async () => {
      const [found] = await readdir(ports);
      const told = JSON.parse(await readFile(join(ports, found ?? ''), 'utf8')) as { nats: string[] };
      return told.nats[0];
    },
    { what: 'the server' },
  );
  const connection = await connect({ servers: url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const { store } = loadCoordinatorConfig(undefined, {});
  await provision(jetstream(connection), manager, names(), store);
  let bytes = 0;
  let memory = 0;
  for await (const { config } of manager.streams.list()) {
    if (config.storage === 'memory') memory += config.max_bytes;
    else bytes += config.max_bytes;
  }
  expect(connection.info?.max_payload).toBe(MIB);
  // As the file's own comments say.
  expect({ bytes, memory }).toEqual({ bytes: 945 * MIB, memory: 64 * MIB });
});
