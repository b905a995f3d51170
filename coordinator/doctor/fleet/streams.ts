/** Whether every stream and bucket of the fleet is there, led, and has room. */
import { DiscardPolicy, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { Check } from '../../../protocol/daemon/checks.ts';
import type { Names } from '../../../protocol/subjects.ts';
import { storeProblem } from '../../provision.ts';
import { isMissing } from '../../store-error.ts';
import { judgeStreams, type StreamFacts } from '../judge/streams.ts';
import type { FleetContext } from './context.ts';
import { unlessForbidden } from './jetstream.ts';

export const streamsCheck: Check<FleetContext> = {
  id: 'streams',
  title: 'the streams and buckets of the fleet',
  limit_ms: 10_000,
  late: 'store_unavailable',
  needs: ['jetstream'],
  run: ({ manager, access }) =>
    unlessForbidden(async () => {
      const jetstream = await manager();
      return judgeStreams(await Promise.all(streamsOf(access.names).map(name => look(jetstream, name))));
    }),
};

const streamsOf = (names: Names): readonly string[] => [
  `KV_${names.controlBucket}`,
  `KV_${names.tasksBucket}`,
  `KV_${names.agentsBucket}`,
  `OBJ_${names.blobsBucket}`,
  names.reportsStream,
  names.outputStream,
  names.eventsStream,
];

async function look(manager: JetStreamManager, name: string): Promise<StreamFacts> {
  const info = await infoOf(manager, name);
  if (info === undefined) return { name, state: undefined, keeps: true };
  const { cluster, state, config } = info;
  const replicas = cluster?.replicas ?? [];
  return {
    name,
    keeps: config.discard === DiscardPolicy.New,
    state: {
      fill: { used_bytes: state.bytes, limit_bytes: config.max_bytes },
      // A server alone tells of itself as the leader, or of no cluster at all.
      leader: cluster === undefined ? undefined : (cluster.leader ?? null),
      replicas_behind: replicas.filter(({ current, offline }) => offline || !current).length,
    },
  };
}

export async function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  return await manager.streams.info(name).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error instanceof Error && error.name.startsWith('JetStreamNot') ? storeProblem(error) : error;
  });
}
