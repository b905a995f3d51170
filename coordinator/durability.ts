/** What "accepted means durable" rests on with this server. */
import type { FleetStatus } from '../protocol/operation.ts';

/** From 2.14 on, a server with `sync_interval: always` loses nothing it has acknowledged at a power cut. */
const SOUND = [2, 14] as const;

/** The setting itself cannot be read by a client, so for a sound server the answer is "unknown". */
export function durabilityOf(server_version: string): Pick<FleetStatus['nats'], 'durability' | 'warning'> {
  const [major = 0, minor = 0] = server_version.split('.').map(Number);
  if (major > SOUND[0] || (major === SOUND[0] && minor >= SOUND[1])) return { durability: 'unknown' };
  return {
    durability: 'process_crash',
    warning:
      `nats-server ${server_version} can lose acknowledged writes at a power cut; ` +
      `use ${SOUND.join('.')} or newer with sync_interval: always.`,
  };
}
