import { describe, expect, test } from 'vitest';
import { policiesOf, type Reach, wantsLine } from '../../../coordinator/core/lines.ts';
import type { SshFallback } from '../../../protocol/registration.ts';

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
