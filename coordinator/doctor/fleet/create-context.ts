import { jetstreamManager } from '@nats-io/jetstream';
import { callContext, type FleetAccess, type FleetAddress, type FleetContext } from './context.ts';

interface ContextOptions {
  readonly access: FleetAccess;
  readonly address: FleetAddress;
  readonly version: string;
  readonly signal: AbortSignal;
}

const API_TIMEOUT_MS = 4_000;

export function createFleetContext({ access, address, version, signal }: ContextOptions): FleetContext {
  const { operations, connection } = access;
  const context = callContext(signal);
  return {
    access,
    address,
    version,
    now: () => Date.now(),
    clock: () => performance.now(),
    status: once(() => operations.status({}, context)),
    nodes: once(async () => (await operations.nodes({}, context)).nodes),
    agents: once(async () => (await operations.agents({}, context)).agents),
    // Whether JetStream is there at all is a finding of its own.
    manager: once(() => jetstreamManager(connection, { timeout: API_TIMEOUT_MS, checkAPI: false })),
    parting: new Set(),
  };
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => (asked ??= ask());
}
