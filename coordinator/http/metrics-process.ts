/** Memory, CPU and garbage collection of this process: of all doors in it together, so there is one registry of them. */
import { collectDefaultMetrics, Registry } from 'prom-client';

/** Gauges whose names say they were counters; Prometheus' own checker refuses them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

let registry: Registry | undefined;

/** Made when it is first asked for: it watches the process from then on, and cannot be stopped. */
export function processMetrics(): Registry {
  if (registry !== undefined) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return registry;
}
