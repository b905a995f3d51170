/** The fence as this node keeps it: what is no longer obeyed stays so in every later life. */
import { advance, type Claim, type FenceState, NO_FENCE, standingOf } from './core/fence.ts';

export interface FenceRecord extends FenceState {
  /** Set while what is remembered of a replaced fleet is still to be forgotten. */
  readonly forget?: boolean | undefined;
}

export interface EpochFence {
  readonly state: FenceState;
  /** What the last life had seen. */
  restore(record: FenceRecord): Promise<void>;
  /**
   * Resolves once the claim is on disk: nothing is done under it before, so that no later life obeys an older
   * coordinator. Rejects when it cannot be written; whoever asks next tries again.
   */
  see(claim: Claim): Promise<void>;
}

interface FenceOptions {
  readonly write: (record: FenceRecord) => Promise<void>;
  /**
   * Another fleet has taken over: attempts of the former one that are over mean nothing to it. Says whether all that
   * was on disk is gone; if not, it is asked again at the next change and in the next life.
   */
  readonly forget: () => Promise<boolean>;
}

export function createEpochFence({ write, forget }: FenceOptions): EpochFence {
  let current: FenceState = NO_FENCE;
  let saved: FenceState = NO_FENCE;
  let to_forget = false;
  let saving: Promise<void> = Promise.resolve();

  const store = async (next: FenceState): Promise<void> => {
    // In this order, a kill in between leaves a fence that still knows what to forget.
    await write(to_forget ? { ...next, forget: true } : next);
    if (!to_forget || !(await forget())) return;
    to_forget = false;
    await write(next);
  };

  const save = async (previous: Promise<void>, next: FenceState, replaces: boolean): Promise<void> => {
    // Whoever asked for the previous one has been told of its failure.
    await previous.catch(() => undefined);
    to_forget ||= replaces || (saved.fleet_id !== undefined && saved.fleet_id !== next.fleet_id);
    try {
      await store(next);
      saved = next;
    } catch (error) {
      if (current === next) {
        current = saved;
        saving = Promise.resolve();
      }
      throw error;
    }
  };

  return {
    get state() {
      return current;
    },
    async restore({ forget: unfinished = false, ...state }) {
      current = state;
      saved = state;
      to_forget = unfinished;
      if (to_forget) await store(state);
    },
    see(claim) {
      const next = advance(current, claim);
      if (next !== current) {
        const replaces = standingOf(current, claim) === 'replaced';
        current = next;
        saving = save(saving, next, replaces);
      }
      return saving;
    },
  };
}
