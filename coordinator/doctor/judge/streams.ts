import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';
import { STORE_FULL_SHARE } from '../../../protocol/limits.ts';
import { type Fill, mib, share } from './jetstream.ts';

export interface StreamFacts {
  readonly name: string;
  /** Undefined when it is not there. */
  readonly state:
    | {
        readonly fill: Fill;
        /** Of a cluster: undefined where there is none to lead, null where nobody leads. */
        readonly leader: string | null | undefined;
        readonly replicas_behind: number;
      }
    | undefined;
  /** Refuses what there is no room for; the others drop their oldest. */
  readonly keeps: boolean;
}

export function judgeStreams(streams: readonly StreamFacts[]): readonly Verdict[] {
  const found = streams.flatMap(judgeStream);
  if (found.length > 0) return found;
  const bytes = streams.reduce((sum, { state }) => sum + (state?.fill.used_bytes ?? 0), 0);
  return [
    ok(`All ${streams.length} streams and buckets are there and can be read; they hold ${mib(bytes)}.`),
  ];
}

function judgeStream({ name, state, keeps }: StreamFacts): readonly Verdict[] {
  if (state === undefined) {
    return [
      fail(
        `The stream ${name} is not there.`,
        'Start a coordinator, which makes what was never made; what was lost comes back with `ccli restore`.',
        { code: 'store_damaged' },
      ),
    ];
  }
  if (state.leader === null) {
    return [
      fail(
        `The stream ${name} has no leader: nothing can be written to it.`,
        'Bring back the servers of the cluster: more than half of its replicas are away.',
        { code: 'store_unavailable' },
      ),
    ];
  }
  const behind =
    state.replicas_behind > 0
      ? [
          warn(
            `${state.replicas_behind} replicas of the stream ${name} are away or behind.`,
            'Look at the servers of the cluster: one more lost may stop the stream.',
          ),
        ]
      : [];
  if (!keeps || share(state.fill) < STORE_FULL_SHARE) return behind;
  const percent = Math.round(share(state.fill) * 100);
  return [
    ...behind,
    warn(
      `The stream ${name} is ${percent} % full: nothing new is accepted above ${STORE_FULL_SHARE * 100} %.`,
      'Give it more room with `store` of the coordinator, or keep less with `history`.',
      { code: 'store_full' },
    ),
  ];
}
