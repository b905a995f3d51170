/** SSH over ssh2: the one place that makes connections. */
import { Host } from './host.ts';
import { Keyring } from './keyring.ts';
import type { Ssh, SshClientOptions } from './ssh.ts';

export function createSsh(options: SshClientOptions): Ssh {
  const { askPassphrase, settings } = options;
  const keyring = new Keyring({
    passphrase_file: settings.passphrase_file,
    ...(askPassphrase !== undefined && { askPassphrase }),
  });
  const hosts = new Map<string, Host>();
  return {
    host(name) {
      const host = hosts.get(name) ?? new Host(name, options, keyring);
      hosts.set(name, host);
      return host;
    },
    counts: () => [...hosts.values()].map(host => host.counts),
    close: async () => {
      await Promise.all([...hosts.values()].map(host => host.close()));
    },
  };
}
