import { expect, onTestFinished, test } from 'vitest';
import { createBeacon } from '../../node-agent/beacon.ts';
import { type Advert, AdvertSchema } from '../../protocol/advert.ts';
import type { AgentStatus } from '../../protocol/agent.ts';
import { decode } from '../../protocol/codec.ts';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { waitFor } from '../support/wait.ts';

const advert: Advert = {
  v: 1,
  node: 'walnut',
  instance_id: 'i1',
  seq: 1,
  version: '0.1.0',
  node_js: 'v22.14.0',
  interval_ms: 60_000,
  uptime_ms: 0,
  draining: false,
  leaving: false,
  full: false,
  outbox: 1,
  config_revision: 0,
  ollama_endpoints: [],
  host: { cpus: 1, load_1m: 0, memory_total_bytes: 1, memory_available_bytes: 1, gpus: [] },
  agents: [],
  running: [],
};

/** A beacon for adverts that tests change as they go. */
function beaconFor(first: Advert) {
  const told = { advert: first };
  const sent: Advert[] = [];
  const events: string[] = [];
  const note = (event: string): void => {
    events.push(event);
  };
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  const lifecycle = createLifecycle({
    onError: () => {
      note('unexpected_error');
    },
  });
  onTestFinished(() => lifecycle.stop());
  const beacon = createBeacon({
    interval_ms: 60_000,
    build: () => told.advert,
    publish: bytes => sent.push(decode(AdvertSchema, bytes)),
    lifecycle,
    log,
  });
  return { beacon, told, sent, events };
}

test('an advert with a value that does not fit is told to the log, and the next one goes out', async () => {
  const { beacon, told, sent, events } = beaconFor({ ...advert, version: 'x'.repeat(65) });
  beacon.start();
  await waitFor(() => events.includes('advert_not_sent'));
  expect(events).not.toContain('unexpected_error');
  told.advert = advert;
  sent.length = 0;
  beacon.send();
  expect(sent).toEqual([advert]);
});

test('an advert too long for a message goes without what runs, of which results are still to come', () => {
  const running = Array.from({ length: 10_000 }, (_, index) => ({
    task_id: `${index}`.padStart(64, 't'),
    attempt: 1,
    agent_id: 'one',
    elapsed_ms: 1,
  }));
  const { beacon, sent, events } = beaconFor({ ...advert, running });
  beacon.start();
  expect(sent.at(-1)).toEqual({ ...advert, outbox: 10_001 });
  expect(events).toEqual([]);
});

/** As a node advertises it, with as much of everything as there may be. */
const loquacious = (index: number): AgentStatus => ({
  agent_id: `agent-${String(index)}`,
  agent_type: 'ollama',
  driver: 'ollama',
  specialty: ['general_ai'],
  model: 'llama3',
  models: ['llama3'],
  labels: Object.fromEntries(
    Array.from({ length: 12 }, (_, label) => [`l${String(label)}`, 'x'.repeat(255)]),
  ),
  priority: 0,
  max_concurrent: 1,
  running: 0,
  enabled: true,
  health: 'unavailable',
  problem: { code: 'internal', message: 'm'.repeat(4_000), retryable: false, cause: 'c'.repeat(4_000) },
  signed_in: 'yes',
  warm: false,
  tool_policy: 'deny',
  timeout_ms: 1,
  max_prompt_bytes: 1,
});

test('of many agents that say much, an advert leaves out causes first and labels last', () => {
  const agents = Array.from({ length: 480 }, (_, index) => loquacious(index));
  const { beacon, told, sent, events } = beaconFor({ ...advert, agents });
  beacon.start();
  expect(sent.at(-1)?.agents).toHaveLength(480);
  expect(sent.at(-1)?.agents[0]).toMatchObject({ labels: {}, problem: { code: 'internal' } });
  told.advert = { ...advert, agents: agents.slice(0, 100) };
  beacon.send();
  const [first] = agents;
  expect(sent.at(-1)?.agents[0]?.labels).toEqual(first?.labels);
  expect(sent.at(-1)?.agents[0]?.problem).toMatchObject({ message: 'm'.repeat(200) });
  expect(sent.at(-1)?.agents[0]?.problem?.cause).toBeUndefined();
  expect(events).toEqual([]);
});

test('nothing is told of a node before it is whole, however often it changes or reconnects', async () => {
  const { beacon, sent } = beaconFor(advert);
  beacon.changed();
  beacon.send();
  await new Promise(setImmediate);
  expect(sent).toEqual([]);
  beacon.start();
  expect(sent).toEqual([advert]);
});
