/** What "accepted means durable" rests on with this server. */
import type { FleetStatus } from '../protocol/operation.ts';

/** From 2.14 on, a server with `sync_interval: always` loses nothing it has acknowledged at a power cut. */
const SOUND = [2, 14] as const;

/**
 * @param sync_always what the operator says of the server's `sync_interval`: no client can read it, so without that
 *   word the answer for a sound server is "unknown"
 */
export function durabilityOf(
  server_version: string,
  sync_always: boolean,
): Pick<FleetStatus['nats'], 'durability' | 'warning'> {
  const [major, minor] = server_version.split('.').map(Number);
  if (major === undefined || minor === undefined || Number.isNaN(major + minor))
    return { durability: 'unknown' };
  if (major > SOUND[0] || (major === SOUND[0] && minor >= SOUND[1])) {
    return { durability: sync_always ? 'power_cut' : 'unknown' };
  }
  return {
    durability: 'process_crash',
    warning:
      `nats-server ${server_version} can lose acknowledged writes at a power cut; ` +
      `use ${SOUND.join('.')} or newer with sync_interval: always.`,
  };
}
