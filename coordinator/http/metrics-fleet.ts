/** The state of the fleet as gauges, read from `status` when Prometheus asks. */
import { Gauge, Registry } from 'prom-client';
import type { FleetStatus } from '../../protocol/operation.ts';

/** @param status undefined when it could not be told */
export function fleetMetrics(status: FleetStatus | undefined): Registry {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, value: number): void => {
    new Gauge({ name, help, registers }).set(value);
  };
  const family = (
    name: string,
    help: string,
    label: string,
    values: Readonly<Record<string, number>>,
  ): void => {
    const metric = new Gauge({ name, help, labelNames: [label], registers });
    for (const [key, value] of Object.entries(values)) metric.set({ [label]: key }, value);
  };

  gauge('ccli_fleet_known', 'Whether the state of the fleet could be told', status === undefined ? 0 : 1);
  if (status === undefined) return registry;
  const { tasks, agents, slots, nodes, store, malformed } = status;
  family('ccli_tasks', 'Tasks that are kept, by status', 'status', tasks);
  gauge('ccli_agents', 'Agents of the fleet', agents.total);
  gauge('ccli_agents_available', 'Agents that would be given a task now', agents.available);
  gauge('ccli_slots', 'Room for running tasks', slots.total);
  gauge('ccli_slots_free', 'Room for running tasks that is not taken', slots.free);
  family('ccli_nodes', 'Nodes, by whether they are heard of', 'state', nodes);
  family(
    'ccli_store_bytes',
    'What is stored',
    'store',
    each(store, ({ bytes }) => bytes),
  );
  family(
    'ccli_store_max_bytes',
    'Room in the store',
    'store',
    each(store, ({ max_bytes }) => max_bytes),
  );
  family(
    'ccli_malformed_messages',
    'Messages dropped since the start because they could not be read',
    'kind',
    malformed,
  );
  gauge('ccli_leader', 'Whether this coordinator leads the fleet', status.role === 'leader' ? 1 : 0);
  gauge('ccli_uptime_seconds', 'Since this coordinator has started', status.uptime_ms / 1_000);
  return registry;
}

const each = <T>(record: Readonly<Record<string, T>>, read: (value: T) => number): Record<string, number> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, read(value)]));
