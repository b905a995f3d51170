import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { describe, expect, test } from 'vitest';
import { provision } from '../../coordinator/provision.ts';
import { createRegistry, type Registry } from '../../coordinator/registry.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import type { AgentRegistration } from '../../protocol/registration.ts';
import { agentKey, names } from '../../protocol/subjects.ts';
import { type OpenStores, openStores, storeLimits, testStores } from './task-store.ts';

const record = (agent_id: string, over: Partial<AgentRegistration> = {}): AgentRegistration => ({
  v: 1,
  node: 'walnut',
  agent_id,
  agent_type: 'cli_gemini',
  registered_at_ms: 1,
  canary: 'skipped',
  ...over,
});

interface Opened {
  readonly registry: Registry;
  readonly changes: () => number;
  readonly logged: string[];
}

async function open({ stores }: Pick<OpenStores, 'stores'>): Promise<Opened> {
  let changes = 0;
  const logged: string[] = [];
  const registry = createRegistry({
    bucket: stores.agents,
    manager: stores.manager,
    stream: stores.streams.agents,
    onChange: () => {
      changes += 1;
    },
    log: createLog({ level: 'debug', name: 'test', to: { write: line => void logged.push(line) } }),
  });
  await registry.start();
  return { registry, changes: () => changes, logged };
}

const put = (registry: Registry, own: AgentRegistration) =>
  registry.put(agentKey(own.node, own.agent_id), () => own);

const ids = ({ desired }: Registry): string[] => [...desired.records.keys()].sort();

describe('a registry', () => {
  test('that never was written to is empty, open, and of revision 0', async () => {
    const { registry } = await open(await testStores());
    expect(registry.desired).toEqual({ revision: 0, records: new Map(), unreadable: new Map() });
    expect(registry.open).toBe(true);
  });

  test('shows its own write at once, and finds everything again at its next start', async () => {
    const stores = await testStores();
    const { registry, changes } = await open(stores);
    const before = changes();
    await put(registry, record('walnut-gemini', { priority: 3 }));
    expect(registry.desired.records.get('walnut.walnut-gemini')).toMatchObject({ priority: 3 });
    expect(registry.desired.revision).toBe(1);
    expect(changes()).toBe(before + 1);
    await registry.setOpen(false);
    const again = (await open(stores)).registry;
    expect(again.desired).toEqual(registry.desired);
    expect(again.open).toBe(false);
  });

  test('finds what another coordinator has changed when it looks again', async () => {
    const stores = await testStores();
    const [one, other] = [await open(stores), await open(stores)];
    await put(one.registry, record('walnut-a'));
    await put(one.registry, record('walnut-b'));
    await one.registry.remove('walnut.walnut-a');
    expect(ids(other.registry)).toEqual([]);
    await other.registry.refresh();
    expect(other.registry.desired).toEqual(one.registry.desired);
    expect(ids(other.registry)).toEqual(['walnut.walnut-b']);
    const changes = other.changes();
    await other.registry.refresh();
    expect(other.changes()).toBe(changes);
  });

  test('misses nothing of another coordinator between two writes of its own', async () => {
    const stores = await testStores();
    const [one, other] = [await open(stores), await open(stores)];
    await put(one.registry, record('walnut-a'));
    await put(other.registry, record('walnut-b'));
    await put(one.registry, record('walnut-c'));
    expect(ids(one.registry)).toEqual(['walnut.walnut-a', 'walnut.walnut-b', 'walnut.walnut-c']);
    expect(one.registry.desired.revision).toBe(3);
  });

  test('makes each change from what another coordinator has just written, not from what it knew', async () => {
    const stores = await testStores();
    const [one, other] = [await open(stores), await open(stores)];
    await put(one.registry, record('walnut-a', { priority: 1 }));
    await other.registry.refresh();
    await put(one.registry, record('walnut-a', { priority: 1, max_concurrent: 4 }));
    const seen: unknown[] = [];
    await other.registry.put('walnut.walnut-a', known => {
      seen.push(known?.max_concurrent);
      return { ...record('walnut-a'), ...known, priority: 7 };
    });
    expect(seen).toEqual([undefined, 4]);
    expect(other.registry.desired.records.get('walnut.walnut-a')).toMatchObject({
      priority: 7,
      max_concurrent: 4,
    });
  });

  test('keeps every one of many changes made at once by two coordinators', async () => {
    const stores = await testStores();
    const both = [(await open(stores)).registry, (await open(stores)).registry];
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => index).flatMap(index =>
        both.map((registry, who) => put(registry, record(`walnut-${who}-${index}`))),
      ),
    );
    for (const registry of both) await registry.refresh();
    expect(both.map(({ desired }) => desired.records.size)).toEqual([40, 40]);
    expect(both.map(({ desired }) => desired.revision)).toEqual([40, 40]);
  });

  test('leaves a record of a newer ccli alone: it is passed over, said once, and removed only on request', async () => {
    const stores = await testStores();
    const newer = { ...record('walnut-a'), v: 99, colour: 'green' };
    await stores.stores.agents.put('walnut.walnut-a', JSON.stringify(newer));
    const { registry, logged } = await open(stores);
    await put(registry, record('walnut-b'));
    await put(registry, record('walnut-c', { node: 'ironwood' }));
    expect(ids(registry)).toEqual(['ironwood.walnut-c', 'walnut.walnut-b']);
    expect(registry.desired.unreadable.get('walnut.walnut-a')).toMatchObject({ code: 'unsupported_version' });
    await expect(put(registry, record('walnut-a'))).rejects.toMatchObject({ code: 'unsupported_version' });
    expect((await stores.stores.agents.get('walnut.walnut-a'))?.json()).toEqual(newer);
    expect(logged.filter(line => line.includes('registration_unreadable'))).toHaveLength(1);
    await registry.remove('walnut.walnut-a');
    await put(registry, record('walnut-a'));
    expect(ids(registry)).toContain('walnut.walnut-a');
  });

  test.each([
    ['garbage', '{'],
    ['a record of another agent', JSON.stringify(record('walnut-b'))],
    ['an unknown type', JSON.stringify({ ...record('walnut-a'), agent_type: 'abacus' })],
  ])('does not write over %s either', async (_what, bytes) => {
    const stores = await testStores();
    await stores.stores.agents.put('walnut.walnut-a', bytes);
    const { registry } = await open(stores);
    expect(ids(registry)).toEqual([]);
    await expect(put(registry, record('walnut-a'))).rejects.toMatchObject({
      code: 'store_damaged',
      message: expect.stringContaining('Remove that registration') as string,
    });
  });

  test('takes a policy that it cannot read for a no', async () => {
    const stores = await testStores();
    await stores.stores.agents.put('registration', JSON.stringify({ v: 99, open: 'sometimes' }));
    const { registry } = await open(stores);
    expect(registry.open).toBe(false);
    await expect(registry.setOpen(true)).rejects.toMatchObject({ code: 'unsupported_version' });
  });

  test('notices that its store is gone, and that another one is in its place', async () => {
    const stores = await testStores();
    const { registry, logged } = await open(stores);
    await put(registry, record('walnut-a'));
    await put(registry, record('walnut-b'));
    await stores.manager.streams.delete('KV_ccli_agents');
    await registry.refresh();
    expect(ids(registry)).toHaveLength(2);
    expect(logged.join('')).toContain('registry_missing');
    await new Kvm(jetstream(stores.connection)).create('ccli_agents');
    await provision(jetstream(stores.connection), stores.manager, names(), storeLimits());
    await registry.refresh();
    expect(registry.desired).toMatchObject({ revision: 0, records: new Map() });
    expect(logged.join('')).toContain('registry_replaced');
  });

  test('can be given a revision where there is none', async () => {
    const stores = await testStores();
    const { registry } = await open(stores);
    await registry.anchor();
    await registry.anchor();
    expect(registry.desired.revision).toBe(1);
    expect(registry.open).toBe(true);
  });

  test('is written to again after the server was away', async () => {
    const stores = await testStores();
    const { registry } = await open(await openStores(stores.nats));
    await stores.nats.restart();
    await expect.poll(() => put(registry, record('walnut-a')), { timeout: 20_000 }).toBeDefined();
    await registry.refresh();
    expect(ids(registry)).toEqual(['walnut.walnut-a']);
  });
});
