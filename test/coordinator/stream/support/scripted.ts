/** A fleet whose tasks do what the test tells them, and streams that follow it from afar. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { onTestFinished } from 'vitest';
import { type Client, openClient } from '../../../../coordinator/cli/client.ts';
import { newTaskId } from '../../../../coordinator/cli/task-id.ts';
import { createStreams, type Streams } from '../../../../coordinator/stream/streams.ts';
import { createLog } from '../../../../protocol/daemon/log.ts';
import type { TaskStreamEvent } from '../../../../protocol/stream.ts';
import { names } from '../../../../protocol/subjects.ts';
import {
  type ScriptedOptions,
  type ScriptedTask,
  startScriptedCoordinator,
} from '../../cli/support/scripted-coordinator.ts';
import { type Reader, read } from './reader.ts';

export interface ScriptedFleet {
  readonly client: Client;
  readonly streams: Streams;
  /** The scripted coordinator's own. */
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly outputStream: string;
  readonly submit: (prompt?: string) => Promise<ScriptedTask>;
  readonly follow: (task_id: string, after?: string) => Reader<TaskStreamEvent>;
  /** How many consumers the stream of the chunks has. */
  readonly consumers: () => Promise<number>;
}

const CALLER = 'tester';
let fleets = 0;

export async function scriptedFleet(
  url: string,
  options: Pick<ScriptedOptions, 'wrap' | 'keepOutput'> = {},
): Promise<ScriptedFleet> {
  fleets += 1;
  const prefix = `s${fleets}`;
  const tasks = new Map<string, ScriptedTask>();
  const coordinator = await startScriptedCoordinator({
    url,
    prefix,
    script: task => {
      tasks.set(task.task_id, task);
    },
    keepOutput: true,
    ...options,
  });
  onTestFinished(() => coordinator.stop());
  const client = await openClient({ nats: { url }, prefix });
  onTestFinished(() => client.close());
  const streams = createStreams({ ...client, log: createLog({ level: 'silent', name: 'test' }) });
  onTestFinished(() => streams.close());
  const manager = await jetstreamManager(coordinator.connection);
  const { outputStream } = names(prefix);
  return {
    client,
    streams,
    connection: coordinator.connection,
    manager,
    outputStream,
    async submit(prompt = 'hello') {
      const { signal } = new AbortController();
      const { task_id } = await client.operations.submit(
        { task_id: newTaskId(), prompt },
        { caller: CALLER, signal },
      );
      const task = tasks.get(task_id);
      if (task === undefined) throw new Error(`no script for ${task_id}`);
      return task;
    },
    follow: (task_id, after) =>
      read(signal =>
        streams.task({ task_id, ...(after !== undefined && { after }) }, { caller: CALLER, signal }),
      ),
    consumers: async () => (await manager.streams.info(outputStream)).state.consumer_count,
  };
}
