/** A real fleet, followed from afar. */
import { onTestFinished } from 'vitest';
import { type Client, openClient } from '../../../../coordinator/cli/client.ts';
import { createStreams, type Streams } from '../../../../coordinator/stream/streams.ts';
import { createLog } from '../../../../protocol/daemon/log.ts';
import type { FleetStreamEvent, TaskStreamEvent } from '../../../../protocol/stream.ts';
import { type TestFleet, testFleet } from '../../../support/fleet.ts';
import { type Reader, read } from './reader.ts';

export interface Follower {
  readonly client: Client;
  readonly streams: Streams;
  readonly task: (task_id: string, after?: string) => Reader<TaskStreamEvent>;
  readonly fleet: (after?: number) => Reader<FleetStreamEvent>;
}

const CALLER = 'tester';

export async function followFrom(url: string): Promise<Follower> {
  const client = await openClient({ nats: { url }, prefix: 'ccli' });
  onTestFinished(() => client.close());
  const streams = createStreams({ ...client, log: createLog({ level: 'silent', name: 'test' }) });
  onTestFinished(() => streams.close());
  return {
    client,
    streams,
    task: (task_id, after) =>
      read(signal =>
        streams.task({ task_id, ...(after !== undefined && { after }) }, { caller: CALLER, signal }),
      ),
    fleet: after =>
      read(signal => streams.fleet(after === undefined ? {} : { after }, { caller: CALLER, signal })),
  };
}

export async function followedFleet(): Promise<TestFleet & Follower> {
  const fleet = await testFleet();
  return { ...fleet, ...(await followFrom(fleet.nats.url)) };
}
