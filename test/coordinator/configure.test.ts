import { describe, expect, onTestFinished, test } from 'vitest';
import { type Configurer, createConfigurer } from '../../coordinator/configure.ts';
import type { Desired } from '../../coordinator/core/desired.ts';
import type { NodeSight } from '../../coordinator/fleet.ts';
import type { Nodes } from '../../coordinator/nodes.ts';
import type { Advert } from '../../protocol/advert.ts';
import type { ConfigureReply } from '../../protocol/control.ts';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { AgentRegistration } from '../../protocol/registration.ts';
import { advertOf } from '../support/advert.ts';
import { waitFor } from '../support/wait.ts';

const llama: AgentRegistration = {
  v: 1,
  node: 'walnut',
  agent_id: 'walnut-llama3',
  agent_type: 'ollama',
  ollama: { endpoint: 'http://walnut:11434', model: 'llama3' },
  priority: 4,
  registered_at_ms: 1,
  canary: 'passed',
};

const registryOf = (revision: number, ...records: AgentRegistration[]): Desired => ({
  revision,
  records: new Map(records.map(record => [`${record.node}.${record.agent_id}`, record])),
  unreadable: new Map(),
});

const sight = (over: Partial<Advert> = {}, more: Partial<NodeSight> = {}): NodeSight => ({
  advert: advertOf(over),
  alive: true,
  contested: false,
  silent_ms: 0,
  ...more,
});

type Sent = Parameters<Nodes['configure']>[1] & { readonly node: string };

/** A leader over nodes that the test plays: each answers as told, and echoes only when the test says so. */
function leader(desired: Desired, sights: NodeSight[]) {
  const world = {
    desired,
    sights,
    now: 0,
    leads: true,
    mandate: { fleet_id: 'f', epoch: 1 },
    sent: new Array<Sent>(),
    logged: new Array<string>(),
    changes: 0,
    anchored: 0,
    read: 0,
    reply: (request: Sent): Promise<ConfigureReply> =>
      Promise.resolve({ revision: request.revision, refused: {} }),
  };
  const lifecycle = createLifecycle({
    onError: error => {
      throw error;
    },
  });
  onTestFinished(() => lifecycle.stop());
  const configurer = createConfigurer({
    registry: {
      get desired() {
        return world.desired;
      },
      refresh: () => {
        world.read += 1;
        return Promise.resolve();
      },
      anchor: () => {
        world.anchored += 1;
        world.desired = registryOf(1);
        return Promise.resolve();
      },
    },
    nodes: {
      configure: (node, request) => {
        const asked = { node, ...request };
        world.sent.push(asked);
        return world.reply(asked);
      },
    },
    sights: () => world.sights,
    leadership: {
      holds: () => world.leads,
      get mandate() {
        return world.mandate;
      },
    },
    clock: () => world.now,
    onChange: () => {
      world.changes += 1;
    },
    lifecycle,
    log: createLog({ level: 'warn', name: 'test', to: { write: line => void world.logged.push(line) } }),
  });
  configurer.begin();
  return { world, configurer };
}

const sentIs = (world: { sent: Sent[] }, count: number) =>
  waitFor(() => world.sent.length === count, { what: `${count} requests` });

/** Whatever is to be sent has been sent: turns of the event loop, not time. */
async function settled(configurer: Configurer): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    configurer.activate();
    await new Promise(setImmediate);
  }
}

describe('a leader', () => {
  test('sends a node everything that is registered there, and nothing again once it is echoed', async () => {
    const elsewhere = { ...llama, node: 'ironwood', agent_id: 'other' };
    // How it is reached is the coordinator's own affair.
    const here = { ...llama, ssh_fallback: 'only' as const };
    const { world, configurer } = leader(registryOf(3, here, elsewhere), [sight()]);
    await sentIs(world, 1);
    expect(world.sent[0]).toEqual({
      node: 'walnut',
      instance_id: 'one',
      revision: 3,
      agents: { 'walnut-llama3': { ollama: llama.ollama, priority: 4 } },
    });
    world.sights = [sight({ config_revision: 3, seq: 2 })];
    world.now += 3_600_000;
    await settled(configurer);
    expect(world.sent).toHaveLength(1);
  });

  test('tells a fleet nothing in which nobody has registered anything', async () => {
    const { world, configurer } = leader(registryOf(0), [sight()]);
    await settled(configurer);
    expect(world).toMatchObject({ sent: [], anchored: 0 });
  });

  test('tells a node nothing that never was told anything, and has nothing registered', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight({ node: 'ironwood' })]);
    await settled(configurer);
    expect(world.sent).toEqual([]);
  });

  test('tells a node that nothing is registered there any more', async () => {
    const { world } = leader(registryOf(4), [sight({ config_revision: 3 })]);
    await sentIs(world, 1);
    expect(world.sent[0]).toMatchObject({ revision: 4, agents: {} });
  });

  test('takes back what a node has of a store that is lost', async () => {
    const { world, configurer } = leader(registryOf(0), [sight({ config_revision: 3 })]);
    await waitFor(() => world.anchored === 1);
    await settled(configurer);
    expect(world.sent).toMatchObject([{ revision: 1, agents: {} }]);
  });

  test('says everything once more under a new fleet, whatever revision the node echoes', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight({ config_revision: 3 })]);
    await sentIs(world, 1);
    world.mandate = { fleet_id: 'restored', epoch: 1 };
    configurer.begin();
    await sentIs(world, 2);
  });

  test('sends a change at once, and to a daemon that started anew', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight()]);
    await sentIs(world, 1);
    world.desired = registryOf(4, { ...llama, enabled: false });
    configurer.activate();
    await sentIs(world, 2);
    expect(world.sent[1]?.agents['walnut-llama3']).toMatchObject({ enabled: false });
    world.sights = [sight({ instance_id: 'two' })];
    configurer.activate();
    await sentIs(world, 3);
    expect(world.sent[2]).toMatchObject({ instance_id: 'two' });
  });

  test('asks a node one thing at a time, and then for the newest', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight()]);
    let answer = (_reply: ConfigureReply): void => undefined;
    world.reply = () =>
      new Promise(resolve => {
        answer = resolve;
      });
    await sentIs(world, 1);
    for (const revision of [4, 5, 6]) {
      world.desired = registryOf(revision, llama);
      await settled(configurer);
    }
    expect(world.sent).toHaveLength(1);
    world.reply = ({ revision }) => Promise.resolve({ revision, refused: {} });
    answer({ revision: 3, refused: {} });
    await sentIs(world, 2);
    expect(world.sent[1]?.revision).toBe(6);
  });

  test('asks one that fails again, ever more rarely', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight()]);
    world.reply = () => Promise.reject(new CcliError('node_lost', 'It does not answer.'));
    await sentIs(world, 1);
    await settled(configurer);
    expect(world.sent).toHaveLength(1);
    const gaps: number[] = [];
    for (let count = 2; count < 10; count += 1) {
      const from = world.now;
      while (world.sent.length < count) {
        world.now += 500;
        await settled(configurer);
      }
      gaps.push(world.now - from);
    }
    expect(gaps).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(world.logged.join('')).toContain('node_not_configured');
  });

  test('asks one that never echoes ever more rarely, too', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight()]);
    await sentIs(world, 1);
    for (let tick = 0; tick < 60; tick += 1) {
      world.now += 1_000;
      await settled(configurer);
    }
    expect(world.sent.length).toBeLessThan(9);
  });

  test('tells nothing to two daemons of one name, to a silent one, or after it has lost the lead', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight({}, { contested: true })]);
    await settled(configurer);
    world.sights = [sight({}, { alive: false })];
    await settled(configurer);
    world.leads = false;
    world.sights = [sight()];
    await settled(configurer);
    expect(world.sent).toEqual([]);
  });

  test('reads the registry before it sends anything: it may have followed with an old one', async () => {
    const { world } = leader(registryOf(3, llama), [sight()]);
    await sentIs(world, 1);
    expect(world.read).toBe(1);
  });

  test('logs what a node refuses once, shows it while it leads, and forgets it when it is mended', async () => {
    const { world, configurer } = leader(registryOf(3, llama), [sight()]);
    const refusal = { code: 'not_permitted', message: 'Not that endpoint.', retryable: false } as const;
    world.reply = ({ revision }) => Promise.resolve({ revision, refused: { 'walnut-llama3': refusal } });
    await waitFor(() => configurer.refused.size === 1);
    expect(configurer.refused).toEqual(new Map([['walnut.walnut-llama3', refusal]]));
    expect(world.changes).toBe(1);
    world.desired = registryOf(4, llama);
    await settled(configurer);
    expect(world.logged.filter(line => line.includes('registration_refused'))).toHaveLength(1);
    world.leads = false;
    expect(configurer.refused.size).toBe(0);
    world.leads = true;
    world.reply = ({ revision }) => Promise.resolve({ revision, refused: {} });
    world.desired = registryOf(5, llama);
    await settled(configurer);
    expect(configurer.refused.size).toBe(0);
  });
});
