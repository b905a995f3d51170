/** Which way a request to a node goes, as its agents' policies have it. */
import type { SshFallback } from '../../protocol/registration.ts';
import type { Line } from './line.ts';

interface Ways {
  /** The line to the node, if one is open. */
  readonly line: (node: string) => Line | undefined;
  /** Whether NATS has nothing from the node any more. */
  readonly overSsh: (node: string) => boolean;
  readonly policyOf: (node: string, agent_id: string) => SshFallback | undefined;
}

export interface Way {
  /** Absent for NATS. */
  readonly line?: Line;
  /** The agent's policy keeps tasks from the way there is; what asks about one, or ends one, may still go there. */
  readonly barred: boolean;
}

export function wayTo({ line, overSsh, policyOf }: Ways, node: string, agent_id: string | undefined): Way {
  const open = line(node);
  const policy = agent_id === undefined ? undefined : policyOf(node, agent_id);
  const over_ssh = overSsh(node);
  const barred = policy === 'only' ? open === undefined : policy === 'off' && over_ssh;
  const goes = over_ssh || policy === 'only';
  return { barred, ...(goes && open !== undefined && { line: open }) };
}
