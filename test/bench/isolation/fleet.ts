/** One node with an Ollama agent beside CLI agents that misbehave. */
import type { Client } from '../../../coordinator/cli/client.ts';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { startFleet as startBenchFleet } from '../fleet.ts';
import { MODEL, startOllama } from '../instant-model.ts';
import { KINDS, MAX_OUTPUT_BYTES, SCRIPTED } from './kinds.ts';

export const OLLAMA = 'bench-ollama';
/** Tasks of it that run at the same time. */
export const SLOTS = 4;

interface FleetOptions extends Pick<BenchmarkIo, 'signal' | 'say'> {
  readonly lifecycle: Lifecycle;
}

export async function startFleet(options: FleetOptions): Promise<Client> {
  const ollama = await startOllama();
  options.lifecycle.defer('the model', () => ollama.stop());
  const agents = [
    { id: OLLAMA, agent_type: 'ollama', endpoint: ollama.url, model: MODEL, max_concurrent: SLOTS },
    ...[...KINDS.keys()].map(id => ({ id, agent_type: 'cli_generic', command: SCRIPTED, max_concurrent: 1 })),
  ];
  const node = { max_output: `${MAX_OUTPUT_BYTES / 1024}KiB`, agents };
  return (await startBenchFleet({ ...options, node })).client;
}
