/** A real nats-server for one test: a free port and a store of its own. */
import { onTestFinished } from 'vitest';
import { startNatsProcess } from '../../coordinator/embedded/nats-process.ts';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { makeTemporaryDirectory } from './temporary-directory.ts';

export interface TestNats {
  readonly url: string;
  readonly port: number;
  /** Ends the server and removes its store. Safe to call twice. */
  readonly stop: () => Promise<void>;
  /** As a crash does: SIGKILL, the store stays. */
  readonly kill: () => Promise<void>;
  /** Starts it again on the same port with the same store; after `kill`, or while it runs. */
  readonly restart: () => Promise<void>;
}

interface StartOptions {
  /** Syncing every write is what the product does; tests that do not count on it are faster without. */
  readonly sync?: 'always' | 'default';
}

/** For hooks, which must stop it themselves. */
export async function startNats({ sync = 'default' }: StartOptions = {}): Promise<TestNats> {
  const environment = process.env;
  const server = await findNatsServer({ environment, onStage: () => undefined });
  const directory = await makeTemporaryDirectory();
  const start = (port: number | 'any') =>
    startNatsProcess({
      server,
      environment,
      directory: directory.path,
      log_file: `${directory.path}/nats-server.log`,
      server_name: 'test',
      port,
      sync,
    });
  let running = await start('any').catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  const { url, port } = running;
  return {
    url,
    port,
    async stop() {
      await running.stop();
      await directory.remove();
    },
    async kill() {
      await running.kill();
    },
    async restart() {
      await running.stop();
      running = await start(port);
    },
  };
}

/** Stopped when the test that asks for it has finished. */
export async function testNats(options: StartOptions = {}): Promise<TestNats> {
  const nats = await startNats(options);
  onTestFinished(nats.stop);
  return nats;
}
