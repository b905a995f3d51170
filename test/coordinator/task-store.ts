/** The real task store on a real nats-server, provisioned as a coordinator does it. */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { onTestFinished } from 'vitest';
import { type CoordinatorConfig, loadCoordinatorConfig } from '../../coordinator/config.ts';
import { provision, type Stores } from '../../coordinator/provision.ts';
import { createTaskStore, type TaskStore } from '../../coordinator/store.ts';
import type { StoreUsage } from '../../coordinator/store-usage.ts';
import { names } from '../../protocol/subjects.ts';
import { queuedState, type TaskRequest, type TaskState, type TaskStatus } from '../../protocol/task.ts';
import { type TestNats, testNats } from '../support/nats-server.ts';

export interface OpenStores {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly stores: Stores;
  readonly store: TaskStore;
}

export interface TestStores extends OpenStores {
  readonly nats: TestNats;
}

export async function testConnection({ url }: { readonly url: string }): Promise<NatsConnection> {
  const connection = await connect({
    servers: url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    reconnectJitter: 50,
  });
  onTestFinished(() => connection.close());
  return connection;
}

export const storeLimits = (over: Partial<CoordinatorConfig['store']> = {}): CoordinatorConfig['store'] => ({
  ...loadCoordinatorConfig(undefined, {}).store,
  ...over,
});

export async function openStores(
  nats: { readonly url: string },
  over: Partial<CoordinatorConfig['store']> = {},
): Promise<OpenStores> {
  const connection = await testConnection(nats);
  const manager = await jetstreamManager(connection);
  const stores = await provision(jetstream(connection), manager, names(), storeLimits(over));
  return { connection, manager, stores, store: createTaskStore(stores) };
}

export async function testStores(over: Partial<CoordinatorConfig['store']> = {}): Promise<TestStores> {
  const nats = await testNats();
  return { nats, ...(await openStores(nats, over)) };
}

export const testTaskStore = async (): Promise<TaskStore> => (await testStores()).store;

/** Stores that never run out. */
export const ENDLESS: Pick<StoreUsage, 'refusal' | 'count'> = {
  refusal: () => undefined,
  count: () => undefined,
};

export const requestOf = (task_id: string, prompt = '2+2?'): TaskRequest => ({
  v: 1,
  task_id,
  caller: 'local',
  prompt: { inline: prompt },
  prompt_bytes: Buffer.byteLength(prompt),
  options: {},
});

export const stateOf = (task_id: string, status: TaskStatus): TaskState => ({
  ...queuedState(task_id, 1),
  status,
});

/** A task as it stands once it is over. @returns the revision of its request */
export async function storeEnded(store: TaskStore, task_id: string, prompt = '2+2?'): Promise<number> {
  const revision = await store.createRequest(requestOf(task_id, prompt));
  if (revision === undefined) throw new Error(`${task_id} is taken`);
  await store.createCancel({ v: 1, task_id, caller: 'local' }, revision);
  await store.createResult(
    {
      v: 1,
      task_id,
      attempt: 1,
      text: { inline: `the answer to ${prompt}` },
      completeness: 'whole',
      run_ms: 1,
      warm: true,
    },
    revision,
  );
  await store.writeState({ ...stateOf(task_id, 'completed'), result_attempt: 1 }, 0);
  return revision;
}
