import { describe, expect, test } from 'vitest';
import { policiesOf, type Reach, registeredOn, wantsLine } from '../../../coordinator/core/lines.ts';
import type { AgentRegistration, SshFallback } from '../../../protocol/registration.ts';

const reach = (over: Partial<Reach> = {}): Reach => ({
  left: false,
  by_line: false,
  off_nats: false,
  ...over,
});
const wants = (policy: SshFallback, over: Partial<Reach> = {}): boolean =>
  wantsLine(new Set([policy]), reach(over));

describe('a line to a node', () => {
  test.each([
    ['on', {}, false],
    ['on', { off_nats: true }, true],
    ['on', { by_line: true }, true],
    ['on', { off_nats: true, left: true }, false],
    ['on', { by_line: true, left: true }, false],
    ['off', { off_nats: true, by_line: true }, false],
    ['only', {}, true],
    ['only', { left: true }, true],
  ] as const)('under the policy %s with %o is wanted: %s', (policy, over, wanted) => {
    expect(wants(policy, over)).toBe(wanted);
  });

  test('is wanted for the one agent whose policy wants it', () => {
    expect(wantsLine(new Set(['off', 'on']), reach({ off_nats: true }))).toBe(true);
    expect(wantsLine(new Set(['off', 'only']), reach())).toBe(true);
  });
});

describe('the policies of a node', () => {
  test('are those of its agents, or its own where they have none', () => {
    const policies = new Map<string, SshFallback>([['one', 'off']]);
    expect(policiesOf(['one', 'two'], agent => policies.get(agent), 'on')).toEqual(new Set(['off', 'on']));
    expect(policiesOf(['one'], agent => policies.get(agent), 'on')).toEqual(new Set(['off']));
  });

  test('are its own while no agent of it is known', () => {
    expect(policiesOf([], () => undefined, 'only')).toEqual(new Set(['only']));
  });
});

/** Tells how often all of it was gone through. */
class Counted extends Map<string, AgentRegistration> {
  times = 0;
  override values() {
    this.times += 1;
    return super.values();
  }
}

describe('the agents registered for a node', () => {
  const records = (...entries: readonly [node: string, agent_id: string][]): Counted => {
    const made = new Counted();
    for (const [node, agent_id] of entries)
      made.set(`${node}/${agent_id}`, {
        v: 1,
        node,
        agent_id,
        agent_type: 'cli_generic',
        registered_at_ms: 0,
        canary: 'skipped',
      });
    return made;
  };

  test('are found without going through the registry for each node and each look', () => {
    let desired = {
      revision: 1,
      records: records(['a', 'one'], ['b', 'two'], ['a', 'three']),
      unreadable: new Map(),
    };
    const first = desired.records;
    const registered = registeredOn(() => desired);
    for (let look = 0; look < 10; look += 1) {
      expect(registered('a')).toEqual(['one', 'three']);
      expect(registered('b')).toEqual(['two']);
      expect(registered('c')).toEqual([]);
    }
    expect(first.times).toBe(1);
    desired = { revision: 2, records: records(['c', 'four']), unreadable: new Map() };
    expect([registered('a'), registered('c')]).toEqual([[], ['four']]);
  });
});
