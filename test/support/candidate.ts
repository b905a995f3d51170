import type { Candidate } from '../../coordinator/core/placement.ts';
import type { AgentStatus } from '../../protocol/agent.ts';
import { agentStatus } from './agent-view.ts';

/** An agent of a live walnut as its advert shows it, ready for work. */
export const advertisedAgent = (over: Partial<AgentStatus> = {}): Candidate => ({
  node: 'walnut',
  instance_id: 'one',
  alive: true,
  contested: false,
  draining: false,
  full: false,
  registration: 'discovered',
  allowed: true,
  used: 0,
  status: agentStatus(over),
});
