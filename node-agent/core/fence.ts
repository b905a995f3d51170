/**
 * Which coordinator a node obeys: the newest of the fleet it belongs to. Epochs count within one fleet; a store that
 * was restored from a backup makes a new fleet, which counts anew and whose predecessors are never obeyed again.
 */

/** Who asks. */
export interface Claim {
  readonly fleet_id: string;
  readonly epoch: number;
}

export interface FenceState {
  /** Absent before the first request, and after an upgrade from a version that knew of no fleets. */
  readonly fleet_id?: string | undefined;
  /** The highest that any request of this fleet has carried. */
  readonly epoch: number;
  /** Fleets that this one has replaced, the newest last. */
  readonly former: readonly string[];
}

export const NO_FENCE: FenceState = { epoch: 0, former: [] };

/** `replaced`: of a fleet never met before, which takes the place of the one there was. */
export type Standing = 'stale' | 'current' | 'newer' | 'replaced';

export function standingOf(state: FenceState, { fleet_id, epoch }: Claim): Standing {
  if (state.former.includes(fleet_id)) return 'stale';
  if (state.fleet_id === fleet_id) {
    if (epoch < state.epoch) return 'stale';
    return epoch === state.epoch ? 'current' : 'newer';
  }
  // What has no name yet takes the first that fits it, and keeps what it remembers.
  return state.fleet_id === undefined && epoch >= state.epoch ? 'newer' : 'replaced';
}

const KEEP_FORMER = 100;

/** What the fence is once the claim has been obeyed; the same object when nothing is new. */
export function advance(state: FenceState, claim: Claim): FenceState {
  switch (standingOf(state, claim)) {
    case 'stale':
    case 'current':
      return state;
    case 'newer':
      return { ...state, fleet_id: claim.fleet_id, epoch: claim.epoch };
    case 'replaced':
      return {
        fleet_id: claim.fleet_id,
        epoch: claim.epoch,
        former:
          state.fleet_id === undefined ? state.former : [...state.former, state.fleet_id].slice(-KEEP_FORMER),
      };
  }
}
