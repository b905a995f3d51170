/** A nats-server as the product runs it, `sync_interval: always`, in a directory that the test looks after. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startNatsProcess } from '../../coordinator/embedded/nats-process.ts';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface DirectoryNats {
  readonly url: string;
  readonly port: number;
  readonly freeze: () => void;
  /** SIGKILL at once. */
  readonly kill: () => Promise<void>;
  /** In good order: everything is on the disk afterwards. */
  readonly stop: () => Promise<void>;
}

/** Ended when the test that asks for it has finished. */
export async function natsIn(directory: string, port: number | 'any' = 'any'): Promise<DirectoryNats> {
  const environment = process.env;
  const running = await startNatsProcess({
    server: await findNatsServer({ environment, onStage: () => undefined }),
    environment,
    directory,
    log_file: join(await temporaryDirectory(), 'nats-server.log'),
    server_name: 'test',
    port,
    sync: 'always',
  });
  onTestFinished(running.kill);
  const { pid, url, kill, stop } = running;
  if (pid === undefined) throw new Error('nats-server did not start');
  return {
    url,
    port: running.port,
    freeze() {
      // The server and its guardian are a group of their own.
      process.kill(-pid, 'SIGSTOP');
    },
    kill,
    stop,
  };
}
