/** What others decide while a probe runs, which on a real node takes minutes: the registry is real, the probe waits. */
import { describe, expect, test } from 'vitest';
import { type AgentOperations, createAgentOperations } from '../../coordinator/agent-operations.ts';
import { withDesired } from '../../coordinator/core/desired.ts';
import type { NodeSight } from '../../coordinator/fleet.ts';
import { createRegistry, type Registry } from '../../coordinator/registry.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import type { OperationRequest } from '../../protocol/operation.ts';
import { advertOf } from '../support/advert.ts';
import { advertisedAgent } from '../support/candidate.ts';
import { type TestStores, testStores } from './task-store.ts';

interface Side {
  readonly operations: AgentOperations;
  readonly registry: Registry;
}

/** A coordinator on these stores; its node shows whatever is asked of it at once. */
async function side({ stores }: TestStores, duringProbe: () => Promise<unknown>): Promise<Side> {
  const registry = createRegistry({
    bucket: stores.agents,
    manager: stores.manager,
    stream: stores.streams.agents,
    onChange: () => undefined,
    log: createLog({ level: 'error', name: 'test', to: { write: () => undefined } }),
  });
  await registry.start();
  const own = advertisedAgent();
  const sight = (): NodeSight => ({
    advert: advertOf({ agents: [own.status], config_revision: registry.desired.revision }),
    alive: true,
    contested: false,
    silent_ms: 0,
  });
  const operations = createAgentOperations({
    registry,
    fleet: { nodes: () => [sight()], node: () => sight() },
    nodes: {
      probe: async () => {
        await duringProbe();
        return own.status;
      },
      verify: () => Promise.reject(new Error('nobody verifies here')),
    },
    candidates: () =>
      withDesired([own], [], { desired: registry.desired, discovered: 'deny', refused: new Map() }),
    onChanged: () => undefined,
    now: () => 1,
  });
  return { operations, registry };
}

const CONTEXT = { caller: 'tester', signal: new AbortController().signal };
const AGENT = { agent_id: 'walnut-gemini', node: undefined };
const KEY = 'walnut.walnut-gemini';

type Given = Partial<Omit<OperationRequest<'register'>, 'agent_id' | 'node'>>;

/** Two coordinators; what the other one is told while the first one probes. */
async function both(): Promise<{
  registering: (given?: Given) => Promise<unknown>;
  other: Side;
  recorded: () => Promise<unknown>;
  during: (work: () => Promise<unknown>) => void;
}> {
  const stores = await testStores();
  let work = (): Promise<unknown> => Promise.resolve();
  const one = await side(stores, () => work());
  const other = await side(stores, () => Promise.resolve());
  return {
    registering: given => one.operations.register({ ...AGENT, canary: true, ...given }, CONTEXT),
    other,
    recorded: async () => {
      await other.registry.refresh();
      return other.registry.desired.records.get(KEY);
    },
    during(next) {
      work = next;
    },
  };
}

describe('while an agent is probed to be registered', () => {
  test('registration that is switched off keeps it out', async () => {
    const { registering, other, recorded, during } = await both();
    during(() => other.operations.registration({ open: false }, CONTEXT));
    await expect(registering()).rejects.toMatchObject({ code: 'registration_off' });
    expect(await recorded()).toBeUndefined();
  });

  test.each([
    ['disabled', { enabled: false }],
    ['given another priority', { priority: 7 }],
  ])('one that somebody has %s stays so', async (_what, changes) => {
    const { registering, other, recorded, during } = await both();
    await registering({ priority: 1 });
    during(() => other.operations.update({ ...AGENT, ...changes }, CONTEXT));
    await expect(registering({ enabled: true, priority: 2 })).rejects.toMatchObject({
      code: 'registration_changed',
      retryable: true,
      message: expect.stringContaining('has changed walnut-gemini on walnut') as string,
    });
    expect(await recorded()).toMatchObject({ priority: 1, ...changes });
  });

  test('one that somebody has removed stays away, until it is registered once more', async () => {
    const { registering, other, recorded, during } = await both();
    await registering();
    during(() => other.operations.remove(AGENT, CONTEXT));
    await expect(registering()).rejects.toMatchObject({
      code: 'registration_changed',
      message: expect.stringContaining('has removed') as string,
    });
    expect(await recorded()).toBeUndefined();
    during(() => Promise.resolve());
    await registering();
    expect(await recorded()).toBeDefined();
  });

  test('the same request may be made at the same time; another one is told', async () => {
    const { registering, other, recorded, during } = await both();
    await registering({ priority: 1 });
    during(() => other.operations.register({ ...AGENT, canary: false, priority: 1 }, CONTEXT));
    await registering({ priority: 1 });
    during(() => other.operations.register({ ...AGENT, canary: false, priority: 4 }, CONTEXT));
    await expect(registering({ priority: 1 })).rejects.toMatchObject({ code: 'registration_changed' });
    expect(await recorded()).toMatchObject({ priority: 4 });
  });
});

describe('an agent that is registered again', () => {
  test('stays disabled until the request, or an update, says otherwise', async () => {
    const { registering, other, recorded } = await both();
    await registering({ priority: 3 });
    await other.operations.update({ ...AGENT, enabled: false }, CONTEXT);
    await registering({ priority: 3 });
    expect(await recorded()).toMatchObject({ enabled: false });
    await registering({ priority: 3, enabled: true });
    expect(await recorded()).toMatchObject({ enabled: true });
  });

  test('has the other settings of the new request', async () => {
    const { registering, other, recorded } = await both();
    await registering({ priority: 3 });
    await other.operations.update({ ...AGENT, priority: 9, labels: { room: 'a' } }, CONTEXT);
    await registering({ priority: 3 });
    expect(await recorded()).toMatchObject({ priority: 3 });
    expect(await recorded()).not.toHaveProperty('labels');
  });
});
