import { describe, expect, test } from 'vitest';
import type { Line } from '../../../coordinator/lines/line.ts';
import { type Way, wayTo } from '../../../coordinator/lines/way.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { SshFallback } from '../../../protocol/registration.ts';

const LINE: Line = {
  node: 'walnut',
  request: () => Promise.reject(new CcliError('node_lost')),
  ack: () => undefined,
  ended: Promise.resolve(undefined),
  close: () => Promise.resolve(),
  malformed: () => 0,
};

interface Case {
  readonly policy?: SshFallback;
  readonly nats: boolean;
  readonly line: boolean;
  readonly goes: 'line' | 'nats';
  readonly barred: boolean;
}

const asWritten = ({ line, barred }: Way) => ({ goes: line === undefined ? 'nats' : 'line', barred });

describe('a request to a node', () => {
  test.each<Case>([
    { policy: 'on', nats: true, line: false, goes: 'nats', barred: false },
    { policy: 'on', nats: true, line: true, goes: 'nats', barred: false },
    { policy: 'on', nats: false, line: true, goes: 'line', barred: false },
    { policy: 'on', nats: false, line: false, goes: 'nats', barred: false },
    { policy: 'off', nats: true, line: true, goes: 'nats', barred: false },
    // Its tasks are not begun there; one that it has may be asked after, and stopped.
    { policy: 'off', nats: false, line: true, goes: 'line', barred: true },
    { policy: 'only', nats: true, line: true, goes: 'line', barred: false },
    { policy: 'only', nats: false, line: true, goes: 'line', barred: false },
    { policy: 'only', nats: true, line: false, goes: 'nats', barred: true },
    // About no agent, or one that nobody has said anything of.
    { nats: true, line: true, goes: 'nats', barred: false },
    { nats: false, line: true, goes: 'line', barred: false },
  ])('of policy $policy with NATS $nats and a line $line goes over $goes, barred $barred', one => {
    const ways = {
      line: () => (one.line ? LINE : undefined),
      overSsh: () => !one.nats,
      policyOf: () => one.policy,
    };
    const { goes, barred } = one;
    expect(asWritten(wayTo(ways, 'walnut', 'walnut-echo'))).toEqual({ goes, barred });
  });
});
