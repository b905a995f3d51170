/** What a node knows of its host, looked at again every few seconds: load, GPUs, and room for results. */
import type { HostStatus } from '../protocol/advert.ts';
import type { AgentStatus } from '../protocol/agent.ts';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import type { AgentConfig } from './agent-config/agent.ts';
import { gpuMemoryOf, isHere, readHost } from './host.ts';
import type { Journal } from './journal.ts';

const INTERVAL_MS = 5_000;
/** Room that must be left on the disk besides one whole result. */
export const RESERVE_BYTES = 64 * 1024 * 1024;

export interface Surroundings {
  readonly host: HostStatus;
  /** Whether the disk takes one more result. */
  readonly hasRoom: boolean;
  /** Of the GPUs that are at the service of an agent: the host's own, unless its model is served elsewhere. */
  gpuMemory(agent: AgentConfig): AgentStatus['gpu_memory'];
}

interface SurroundingsOptions {
  /** Where to look for `nvidia-smi`. */
  readonly path: string | undefined;
  readonly journal: Pick<Journal, 'room'>;
  readonly max_output_bytes: number;
  readonly lifecycle: Lifecycle;
}

export async function watchSurroundings({
  path,
  journal,
  max_output_bytes,
  lifecycle,
}: SurroundingsOptions): Promise<Surroundings> {
  let host = await readHost(path);
  let room = await journal.room();
  lifecycle.every(INTERVAL_MS, async () => {
    host = await readHost(path);
    room = await journal.room();
  });
  return {
    get host() {
      return host;
    },
    get hasRoom() {
      return room > RESERVE_BYTES + max_output_bytes;
    },
    gpuMemory: agent =>
      agent.agent_type !== 'ollama' || isHere(agent.endpoint) ? gpuMemoryOf(host) : undefined,
  };
}
