/** What the checks of a fleet work with. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { AgentView, FleetStatus, NodeView } from '../../../protocol/operation.ts';
import type { Names } from '../../../protocol/subjects.ts';
import type { CallContext } from '../../caller.ts';
import type { Operations } from '../../operations.ts';

/** A connection to the fleet, and its operations over it. */
export interface FleetAccess {
  readonly connection: NatsConnection;
  readonly operations: Operations;
  readonly names: Names;
  close(): Promise<void>;
}

/** Where the fleet is, as far as the doctor has to know. */
export interface FleetAddress {
  readonly nats: { readonly url: string; readonly ca_file?: string | undefined };
  readonly prefix: string;
}

export interface FleetContext {
  readonly address: FleetAddress;
  readonly access: FleetAccess;
  /** Of this ccli. */
  readonly version: string;
  /** Wall clock and monotonic clock, in milliseconds. */
  readonly now: () => number;
  readonly clock: () => number;
  /** Asked for once, by whichever check comes first. */
  readonly status: () => Promise<FleetStatus>;
  readonly nodes: () => Promise<readonly NodeView[]>;
  readonly agents: () => Promise<readonly AgentView[]>;
  readonly manager: () => Promise<JetStreamManager>;
  /** What is to be tried, for a moment, before the connection is closed. Never rejects. */
  readonly parting: Set<Promise<unknown>>;
}

/** The identity of a caller is its coordinator's to decide. */
export const callContext = (signal: AbortSignal): CallContext => ({ caller: 'cli', signal });
