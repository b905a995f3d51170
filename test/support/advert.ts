import type { Advert } from '../../protocol/advert.ts';

/** An advert of walnut's first daemon, which has no agents. */
export const advertOf = (over: Partial<Advert> = {}): Advert => ({
  v: 1,
  node: 'walnut',
  instance_id: 'one',
  seq: 1,
  version: '0.1.0',
  node_js: 'v22.14.0',
  interval_ms: 1_000,
  uptime_ms: 1,
  draining: false,
  leaving: false,
  full: false,
  outbox: 0,
  config_revision: 0,
  ollama_endpoints: [],
  host: { cpus: 1, load_1m: 0, memory_total_bytes: 1, memory_available_bytes: 1, gpus: [] },
  agents: [],
  running: [],
  ...over,
});
