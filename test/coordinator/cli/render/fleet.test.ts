import { describe, expect, test } from 'vitest';
import { colorsFor } from '../../../../coordinator/cli/render/colors.ts';
import { drainSentence, nodeTable, statusDetails } from '../../../../coordinator/cli/render/fleet.ts';
import { type FleetStatus, NodeViewSchema } from '../../../../protocol/operation.ts';

const plain = colorsFor(false, {});

const gpu = (name: string) => ({
  name,
  memory_total_bytes: 1,
  memory_used_bytes: 0,
  utilization_percent: 0,
});
const node = NodeViewSchema.parse({
  node: 'walnut',
  instance_id: 'i',
  seq: 1,
  version: '0.1.0',
  node_js: 'v22.14.0',
  interval_ms: 5_000,
  uptime_ms: 184_000,
  draining: false,
  leaving: false,
  outbox: 0,
  config_revision: 0,
  host: {
    cpus: 64,
    load_1m: 1.26,
    memory_total_bytes: 128 * 1024 ** 3,
    memory_available_bytes: 116 * 1024 ** 3,
    gpus: [gpu('H100'), gpu('A10'), gpu('H100')],
  },
  alive: true,
  contested: false,
  silent_ms: 10,
  agents: 3,
  running: 2,
  slots: 6,
});

test('nodes show load, memory and GPUs, equal ones together', () => {
  expect(nodeTable([node, { ...node, node: 'ironwood', alive: false, silent_ms: 20_000 }], plain)).toBe(
    `NODE       STATUS                AGENTS   SLOTS   LOAD     MEMORY           GPUS            VERSION   NODE.JS    UP
walnut     alive                 3        2/6     1.3/64   12 GiB/128 GiB   2 x H100, A10   0.1.0     v22.14.0   3 min 4 s
ironwood   lost, silent 20.0 s   3        2/6     1.3/64   12 GiB/128 GiB   2 x H100, A10   0.1.0     v22.14.0   3 min 4 s
`,
  );
});

test('a node on which Ollama agents may be registered says where', () => {
  const text = nodeTable([{ ...node, ollama_endpoints: ['http://a:11434', 'http://b:11434'] }], plain);
  expect(text).toContain('\nwalnut permits Ollama agents on http://a:11434, http://b:11434\n');
});

test.each<[string, Partial<typeof node>]>([
  ['draining', { draining: true, running: 1 }],
  ['draining', { draining: true, running: 0, outbox: 1 }],
  ['drained', { draining: true, running: 0 }],
  ['contested', { contested: true }],
  ['disk full', { full: true }],
  ['suspect, silent 11.0 s', { silent_ms: 11_000 }],
  ['alive', { silent_ms: 9_000 }],
])('a node says %s', (status, changes) => {
  expect(nodeTable([{ ...node, ...changes }], plain)).toContain(`walnut   ${status}   `);
});

test.each([
  ['walnut is drained: nothing runs, nothing is unsent', { draining: true, running: 0, outbox: 0 }],
  ['walnut is draining: 1 task still runs, 2 results unsent', { draining: true, running: 1, outbox: 2 }],
  ['walnut is draining: 1 result unsent', { draining: true, running: 0, outbox: 1 }],
  ['walnut takes work again', { draining: false, running: 3, outbox: 0 }],
])('a drain says: %s', (sentence, reply) => {
  expect(drainSentence({ node: 'walnut', ...reply })).toBe(sentence);
});

const status: FleetStatus = {
  version: '0.1.0',
  coordinator_id: 'c1',
  epoch: 3,
  fleet_id: 'f1',
  role: 'leader',
  registration: 'open',
  discovered: 'deny',
  leader: 'c1',
  uptime_ms: 1_500,
  store: {
    tasks: { bytes: 64 * 1024 ** 2, max_bytes: 256 * 1024 ** 2 },
    blobs: { bytes: 0, max_bytes: 512 * 1024 ** 2 },
    reports: { bytes: 0, max_bytes: 128 * 1024 ** 2 },
  },
  nats: { server_version: '2.9.10', url: 'nats://x', durability: 'process_crash', warning: 'too old' },
  nodes: { alive: 1, lost: 2 },
  agents: { available: 1, total: 3 },
  slots: { free: 2, total: 6 },
  tasks: { queued: 1, assigned: 0, running: 2, completed: 3, failed: 0, cancelled: 0 },
  malformed: { adverts: 0, reports: 0 },
};

describe('the status', () => {
  test('says where HTTP is served, where it is', () => {
    expect(statusDetails({ ...status, http_url: 'http://127.0.0.1:8000' }, plain)).toContain(
      'http          http://127.0.0.1:8000\n',
    );
    expect(statusDetails(status, plain)).not.toMatch(/^http /m);
  });

  test('says what durability rests on, and what it lacks', () => {
    const text = statusDetails(status, plain);
    expect(text).toContain('durability    accepted tasks survive a crash, but maybe not a power cut\n');
    expect(text).toContain('warning       too old\n');
    expect(text).toContain('nodes         1 alive, 2 lost\n');
    expect(text).toContain(
      'tasks         1 queued, 0 assigned, 2 running, 3 completed, 0 failed, 0 cancelled\n',
    );
  });

  test('says who leads', () => {
    expect(statusDetails(status, plain)).toContain('leader        this coordinator, epoch 3\n');
    const follower = { ...status, role: 'follower', leader: 'c2' } as const;
    expect(statusDetails(follower, plain)).toContain(
      'leader        c2, epoch 3; this coordinator stands by\n',
    );
    const { leader: _, ...orphan } = follower;
    expect(statusDetails(orphan, plain)).toMatch(/leader +none is known/);
  });

  test('tells of the registry only what is out of the ordinary', () => {
    expect(statusDetails(status, plain)).not.toMatch(/registration|discovered/);
    const text = statusDetails({ ...status, registration: 'off', discovered: 'allow' }, plain);
    expect(text).toMatch(/^registration +off; `ccli agents registration on` allows it again$/m);
    expect(text).toMatch(/^discovered +agents work without being registered$/m);
  });

  test('counts what could not be read, if anything', () => {
    expect(statusDetails(status, plain)).not.toContain('malformed');
    const malformed = { adverts: 0, reports: 2 };
    expect(statusDetails({ ...status, malformed }, plain)).toMatch(/malformed +0 adverts and 2 reports/);
  });

  test('says how full the stores are, and warns from 80 % on', () => {
    const text = statusDetails(status, plain);
    expect(text).toContain(
      'store         tasks 64 MiB/256 MiB (25 %), blobs 0 B/512 MiB (0 %), reports 0 B/128 MiB (0 %)\n',
    );
    expect(text).not.toContain('store_full');
    const blobs = { bytes: 410 * 1024 ** 2, max_bytes: 512 * 1024 ** 2 };
    expect(statusDetails({ ...status, store: { ...status.store, blobs } }, plain)).toMatch(
      /warning +the store of blobs is nearly full: new tasks are refused \(store_full\)/,
    );
  });
});
