/** What a bootstrap asks of the fleet, through the same operations as everybody. */
import type { OperationReply } from '../../protocol/operation.ts';
import type { Operations } from '../operations.ts';

export interface FleetDoor {
  readonly operations: Pick<Operations, 'nodes' | 'agents' | 'test'>;
  /** As ccli reaches it from here. */
  readonly nats_url: string;
  readonly prefix: string;
  readonly caller: string;
}

export type NodeSeen = OperationReply<'nodes'>['nodes'][number];

export async function findNode(
  { operations, caller }: FleetDoor,
  node: string,
  signal: AbortSignal,
): Promise<NodeSeen | undefined> {
  const { nodes } = await operations.nodes({}, { caller, signal });
  return nodes.find(one => one.node === node);
}
