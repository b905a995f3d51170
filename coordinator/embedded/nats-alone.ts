/** The embedded nats-server without the rest of the fleet, on the fleet's own store: for work on the store itself. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import type { FleetOptions } from './fleet-options.ts';
import { embedNats } from './fleet-parts.ts';
import { findNatsServer } from './nats-server.ts';
import { formatVersion } from './nats-version.ts';
import { createPartWatch } from './part-watch.ts';
import { takeStateDirectory } from './state-directory.ts';

export interface NatsAlone {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/**
 * Holds the state directory until it is stopped, so that no fleet starts there meanwhile.
 *
 * @throws CcliError `state_in_use`, `nats_server_missing`, `start_failed`, `config_invalid`
 */
export async function startNatsAlone(
  options: Pick<FleetOptions, 'state_dir' | 'environment' | 'onStage' | 'signal'>,
): Promise<NatsAlone> {
  const { environment, onStage, signal } = options;
  const lifecycle = createLifecycle({
    onError: (error, what) => {
      onStage(`${what} did not stop cleanly: ${error instanceof Error ? error.message : String(error)}`);
    },
  });
  try {
    const state = await takeStateDirectory(options.state_dir, { onStage, signal });
    lifecycle.defer('the state directory', state.release);
    await mkdir(join(state.path, 'logs'), { recursive: true, mode: 0o700 });
    const server = await findNatsServer({ environment, onStage, signal });
    onStage(`starting nats-server ${formatVersion(server.version)} in ${state.path}`);
    const parts = createPartWatch(lifecycle.signal, () => undefined);
    const nats = await embedNats({ options: { environment, signal }, state, lifecycle, parts }, server);
    return { url: nats.url, stop: () => lifecycle.stop() };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
