import { describe, expect, test } from 'vitest';
import { createFleet } from '../../coordinator/fleet.ts';
import type { Advert } from '../../protocol/advert.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { advertOf } from '../support/advert.ts';
import { agentStatus } from '../support/agent-view.ts';

const AGENT = agentStatus({ agent_id: 'walnut-echo' });

/** A fleet on a clock of its own, with walnut in it, which says something every second. */
function fleetWith(ssh_fallback: 'off' | 'on' | 'only' = 'on') {
  let now = 0;
  let seq = 0;
  const told: string[] = [];
  const fleet = createFleet({
    prefix: 'ccli',
    clock: () => now,
    settle_ms: 0,
    onChange: () => undefined,
    onNode: (_node, change) => told.push(change),
    overlay: () => ({
      desired: { revision: 0, records: new Map(), unreadable: new Map() },
      discovered: 'allow',
      refused: new Map(),
      ssh_fallback: new Map([['walnut', ssh_fallback]]),
    }),
    log: createLog({ level: 'silent', name: 'test' }),
  });
  const advert = (over: Partial<Advert>): Advert => {
    seq += 1;
    return advertOf({ seq, agents: [AGENT], ...over });
  };
  return {
    fleet,
    told,
    nats: (over: Partial<Advert> = {}) => {
      fleet.receive('ccli.node.walnut.advert', Buffer.from(JSON.stringify(advert(over))));
    },
    relayed: (over: Partial<Advert> = {}) => {
      fleet.receive('ccli.node.walnut.advert', Buffer.from(JSON.stringify(advert(over))), 'line');
    },
    line: (over: Partial<Advert> = {}) => {
      fleet.hear(advert(over));
    },
    pass: (ms: number) => {
      now += ms;
      fleet.tick();
    },
    sight: () => fleet.node('walnut'),
    candidate: () => fleet.candidates(new Map())[0],
  };
}

describe('a node that NATS has lost', () => {
  test('is alive over a line, and says so until NATS brings it again', () => {
    const { nats, line, pass, sight, candidate, told } = fleetWith();
    nats();
    pass(3_001);
    expect(sight()).toMatchObject({ alive: false });
    line();
    expect(sight()).toMatchObject({ alive: true, contested: false, transport: 'ssh', lined: true });
    expect(candidate()).toMatchObject({ alive: true, transport: 'ssh' });
    nats();
    expect(sight()).not.toHaveProperty('transport');
    expect(told).toEqual(['joined', 'lost', 'returned']);
  });

  test('is known to be so by a coordinator that only hears of its line', () => {
    const { nats, relayed, pass, sight, fleet } = fleetWith();
    nats();
    pass(3_001);
    relayed();
    expect(sight()).toMatchObject({ alive: true, transport: 'ssh', lined: true });
    // And goes on to be so when that coordinator takes over, and has not heard anything yet.
    fleet.listen();
    expect(fleet.reach('walnut')).toMatchObject({ by_line: true, off_nats: false });
  });

  test('whose line has ended is no way for those that take nothing else', () => {
    const { nats, line, candidate, fleet } = fleetWith('only');
    nats();
    expect(candidate()).not.toHaveProperty('transport');
    line();
    expect(candidate()).toMatchObject({ transport: 'ssh' });
    fleet.lineEnded('walnut');
    expect(candidate()).not.toHaveProperty('transport');
  });

  test('shows neither while we are deaf ourselves nor right after', () => {
    const { nats, pass, fleet } = fleetWith();
    nats();
    fleet.deafen();
    pass(60_000);
    expect(fleet.reach('walnut').off_nats).toBe(false);
    fleet.listen();
    expect(fleet.reach('walnut').off_nats).toBe(false);
    pass(3_001);
    expect(fleet.reach('walnut').off_nats).toBe(true);
  });

  test('shows also of one that was never heard of', () => {
    const { pass, fleet } = fleetWith();
    expect(fleet.reach('ash').off_nats).toBe(false);
    pass(15_001);
    expect(fleet.reach('ash')).toEqual({ left: false, by_line: false, off_nats: true });
  });
});

describe('one node over two wires', () => {
  test('is one daemon, in whatever order its words come', () => {
    const { nats, line, sight, told } = fleetWith();
    nats({ seq: 5 });
    line({ seq: 6 });
    nats({ seq: 6 });
    line({ seq: 5 });
    expect(sight()).toMatchObject({ contested: false, advert: { seq: 6 } });
    expect(sight()).not.toHaveProperty('transport');
    expect(told).toEqual(['joined']);
  });

  test('restarts when its daemon is back after a stand-in, and is not contested', () => {
    const { nats, line, pass, sight, told } = fleetWith();
    nats();
    pass(3_001);
    line({ instance_id: 'two', stand_in: true });
    line({ instance_id: 'two', stand_in: true, leaving: true });
    nats({ instance_id: 'three' });
    expect(sight()).toMatchObject({ alive: true, contested: false, advert: { instance_id: 'three' } });
    expect(told).toEqual(['joined', 'lost', 'restarted', 'returned', 'left', 'restarted', 'returned']);
  });
});
