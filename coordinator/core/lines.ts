/** Whether a line to a node is to be there. */
import type { SshFallback } from '../../protocol/registration.ts';

export interface Reach {
  /** Its daemon has said that it stops, and nothing was heard since. */
  readonly left: boolean;
  /** It was heard over a line last, and NATS has had nothing from it since. */
  readonly by_line: boolean;
  /** NATS has had nothing from it for so long that it would have been heard. */
  readonly off_nats: boolean;
}

/**
 * @param policies of its agents
 */
export function wantsLine(policies: ReadonlySet<SshFallback>, reach: Reach): boolean {
  if (policies.has('only')) return true;
  if (!policies.has('on') || reach.left) return false;
  return reach.by_line || reach.off_nats;
}

/** Of a node none of whose agents is known, that of the node itself. */
export function policiesOf(
  agents: Iterable<string>,
  policyOf: (agent_id: string) => SshFallback | undefined,
  own: SshFallback,
): ReadonlySet<SshFallback> {
  const policies = new Set([...agents].map(agent_id => policyOf(agent_id) ?? own));
  return policies.size === 0 ? new Set([own]) : policies;
}
