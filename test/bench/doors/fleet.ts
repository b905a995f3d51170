/** One node with a model that answers at once, and a coordinator with all its doors open. */
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { type BenchFleet, CALLER, startFleet as startBenchFleet } from '../fleet.ts';
import { MODEL, startOllama } from '../instant-model.ts';

export const AGENT = 'bench-model';

interface FleetOptions extends Pick<BenchmarkIo, 'signal' | 'say'> {
  readonly lifecycle: Lifecycle;
  readonly slots: number;
}

export interface DoorsFleet extends BenchFleet {
  readonly http_url: string;
}

export async function startFleet({ slots, ...options }: FleetOptions): Promise<DoorsFleet> {
  const ollama = await startOllama();
  options.lifecycle.defer('the model', () => ollama.stop());
  const agents = [
    { id: AGENT, agent_type: 'ollama', endpoint: ollama.url, model: MODEL, max_concurrent: slots },
  ];
  const coordinator = { CCLI_HTTP: 'true', CCLI_HTTP_PORT: '0' };
  const fleet = await startBenchFleet({ ...options, node: { agents }, coordinator });
  const { http_url } = await fleet.client.operations.status({}, { caller: CALLER, signal: options.signal });
  if (http_url === undefined) throw new CcliError('start_failed', 'The coordinator serves no HTTP.');
  return { ...fleet, http_url };
}
