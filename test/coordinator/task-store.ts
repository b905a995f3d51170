/** The real task store on a real nats-server, provisioned as a coordinator does it. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { onTestFinished } from 'vitest';
import { loadCoordinatorConfig } from '../../coordinator/config.ts';
import { provision } from '../../coordinator/provision.ts';
import { createTaskStore, type TaskStore } from '../../coordinator/store.ts';
import { names } from '../../protocol/subjects.ts';
import { testNats } from '../support/nats-server.ts';

export async function testTaskStore(): Promise<TaskStore> {
  const { url } = await testNats();
  const connection = await connect({ servers: url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const limits = loadCoordinatorConfig(undefined, {}).store;
  return createTaskStore(await provision(jetstream(connection), manager, names(), limits));
}
