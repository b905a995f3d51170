/** The work of `ccli bootstrap` without a command line around it, on a host that a configuration of `ssh` names. */
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type BootstrapOptions,
  type Bootstrapped,
  bootstrap,
} from '../../coordinator/bootstrap/bootstrap.ts';
import { readCredentials } from '../../coordinator/bootstrap/credentials.ts';
import type { FleetDoor } from '../../coordinator/bootstrap/fleet-door.ts';
import { ownBootId } from '../../coordinator/bootstrap/own-boot-id.ts';
import type { Wishes } from '../../coordinator/bootstrap/site.ts';
import type { Watcher } from '../../coordinator/bootstrap/step.ts';
import { readBundle } from '../../coordinator/bundle/read.ts';
import { createSsh } from '../../coordinator/ssh/client.ts';
import { SshClientSettingsSchema } from '../../coordinator/ssh/settings.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { callOperation } from './fleet.ts';

export interface RunOverrides extends Partial<Omit<BootstrapOptions, 'wishes' | 'watcher'>> {
  readonly wishes?: Partial<Wishes>;
  readonly watcher?: Partial<Watcher>;
}

interface RunSetting {
  /** As the configuration names the host. */
  readonly name: string;
  readonly config_file: string;
  /** HOME of whoever runs it. */
  readonly operator_home: string;
  readonly nats_url: string;
  readonly connection: NatsConnection;
  readonly key_file: string;
}

export async function runBootstrap(
  { name, config_file, operator_home, nats_url, connection, key_file }: RunSetting,
  { wishes, watcher, ...over }: RunOverrides = {},
): Promise<Bootstrapped> {
  const ssh = createSsh({
    settings: SshClientSettingsSchema.parse({ config_file }),
    environment: { HOME: operator_home },
    log: createLog({ level: 'silent', name: 'ccli' }),
  });
  try {
    return await bootstrap({
      host: ssh.host(name),
      bundle: await readBundle(),
      fleet: { operations: operationsOver(connection), nats_url, prefix: 'ccli', caller: 'test' },
      signal: new AbortController().signal,
      at_once: new AbortController().signal,
      own_boot_id: await ownBootId(),
      ...over,
      wishes: {
        credentials: await readCredentials({ gemini_api_key: key_file }),
        force_config: false,
        service: 'process',
        canary: true,
        upgrade: false,
        dry_run: false,
        patience_ms: 60_000,
        ...wishes,
      },
      watcher: {
        began: () => undefined,
        progress: () => undefined,
        ended: () => undefined,
        note: () => undefined,
        ...watcher,
      },
    });
  } finally {
    await ssh.close();
  }
}

const operationsOver = (connection: NatsConnection): FleetDoor['operations'] => ({
  nodes: request => callOperation(connection, 'nodes', request),
  agents: request => callOperation(connection, 'agents', request),
  test: request => callOperation(connection, 'test', request),
});
