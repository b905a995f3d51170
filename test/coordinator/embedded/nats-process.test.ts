import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startNatsProcess } from '../../../coordinator/embedded/nats-process.ts';
import { findNatsServer } from '../../../coordinator/embedded/nats-server.ts';
import { built } from '../../support/built.ts';
import { testNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const environment = process.env;
const realServer = () => findNatsServer({ environment, onStage: () => undefined });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function start(directory: string, port: number | 'preferred' | 'any') {
  const nats = await startNatsProcess({
    server: await realServer(),
    environment,
    directory,
    log_file: join(directory, 'log'),
    server_name: 'embedded-test',
    port,
  });
  onTestFinished(nats.stop);
  return nats;
}

describe('the embedded nats-server', () => {
  test('serves JetStream on loopback and keeps what was stored over a stop and a start', async () => {
    const directory = await temporaryDirectory();
    const first = await start(directory, 'any');
    const one = await connect({ servers: first.url });
    await (await jetstreamManager(one)).streams.add({ name: 'KEPT', subjects: ['kept'] });
    await jetstream(one).publish('kept', 'a');
    await one.close();
    await first.stop();

    const second = await start(directory, first.port);
    expect(second.url).toBe(first.url);
    const two = await connect({ servers: second.url });
    const info = await (await jetstreamManager(two)).streams.info('KEPT');
    await two.close();
    expect(info.state.messages).toBe(1);
  });

  test('syncs every write to the disk', async () => {
    const directory = await temporaryDirectory();
    await start(directory, 'any');
    expect(await readFile(join(directory, 'nats-server.conf'), 'utf8')).toContain('sync_interval: always');
  });

  test('outlives a crash: what was stored is there after a kill and a restart on the same port', async () => {
    const nats = await testNats();
    const one = await connect({ servers: nats.url });
    await (await jetstreamManager(one)).streams.add({ name: 'KEPT', subjects: ['kept'] });
    await one.close();
    await nats.kill();
    await nats.restart();
    const two = await connect({ servers: nats.url });
    expect((await (await jetstreamManager(two)).streams.info('KEPT')).config.name).toBe('KEPT');
    await two.close();
  });

  test('a port that is taken is an error that names it', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start(await temporaryDirectory(), port)).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringContaining(`Port ${port}`) as string,
    });
  });

  test('two servers that want the usual port both start', async () => {
    const one = await start(await temporaryDirectory(), 'preferred');
    const two = await start(await temporaryDirectory(), 'preferred');
    expect(one.port).not.toBe(two.port);
  });

  test('a server that does not start is told with its last words, and is gone', async () => {
    const directory = await temporaryDirectory();
    const broken = join(directory, 'broken');
    await writeFile(broken, '#!/bin/sh\necho "cannot bear it" >&2\nexit 7\n', { mode: 0o755 });
    const starting = startNatsProcess({
      server: { path: broken, version: { major: 2, minor: 15, patch: 1 } },
      environment,
      directory,
      log_file: join(directory, 'log'),
      server_name: 'test',
      port: 'any',
    });
    await expect(starting).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringMatching(/code 7.*cannot bear it/s) as string,
    });
  });

  test('an end that nobody asked for is told', async () => {
    const nats = await start(await temporaryDirectory(), 'any');
    const server = await waitFor(async () => await childOf(nats.pid), { what: 'the server' });
    process.kill(server, 'SIGKILL');
    expect(await nats.exited).toEqual({ code: 128 + 9 });
  });

  test('the server ends when its parent is killed outright', async () => {
    const directory = await temporaryDirectory();
    const script = `
      import { startNatsProcess } from ${JSON.stringify(built('coordinator/embedded/nats-process.ts'))};
      const nats = await startNatsProcess({
        server: ${JSON.stringify(await realServer())}, environment: process.env, directory: ${JSON.stringify(directory)},
        log_file: ${JSON.stringify(join(directory, 'log'))}, server_name: 'test', port: 'any',
      });
      console.log(nats.pid);
      setInterval(() => {}, 1000);
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const guardian = Number(printed.toString());
    const server = await waitFor(async () => await childOf(guardian), { what: 'the server' });
    expect(isAlive(server)).toBe(true);

    parent.kill('SIGKILL');
    await waitFor(() => !isAlive(server) && !isAlive(guardian), { what: 'the end of the server' });
  });
});

/** The guardian's child that is the server: the one whose command line has a configuration. */
async function childOf(guardian: number | undefined): Promise<number | undefined> {
  const ps = spawn('ps', ['-axo', 'pid=,ppid=,command='], { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = (await ps.stdout.toArray()).join('').split('\n');
  const line = lines.find(text => {
    const [, ppid] = text.trim().split(/\s+/);
    return Number(ppid) === guardian && text.includes('--config') && !text.includes('ccli-guardian');
  });
  return line === undefined ? undefined : Number(line.trim().split(/\s+/)[0]);
}
