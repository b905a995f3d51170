/** Whether a line to a node is to be there. */
import type { SshFallback } from '../../protocol/registration.ts';
import type { Desired } from './desired.ts';

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

/** The agents registered for a node: of a thousand nodes each is asked about again and again. */
export function registeredOn(registry: () => Desired): (node: string) => readonly string[] {
  let of: Desired | undefined;
  let by_node = new Map<string, string[]>();
  return node => {
    const desired = registry();
    if (desired !== of) {
      of = desired;
      by_node = new Map();
      for (const record of desired.records.values()) {
        const agents = by_node.get(record.node);
        if (agents === undefined) by_node.set(record.node, [record.agent_id]);
        else agents.push(record.agent_id);
      }
    }
    return by_node.get(node) ?? [];
  };
}
