/** What a run has changed on a host, and how each of it is taken back: in reverse, to exactly what was there before. */
import type { Shell } from './shell.ts';

/** Takes one change back. Safe to repeat: the line may break in the middle. */
export type Undo = (shell: Shell) => Promise<void>;

export interface Change {
  /** As it is told when it cannot be taken back: `the unit ccli-node-agent`. */
  readonly what: string;
  readonly undo: Undo;
}

export interface Changes {
  /** Noted before the change is made: one that breaks off in the middle is taken back as well. */
  note(what: string, undo: Undo): void;
  /** Comes last of all when the run is taken back, whatever was noted before: what needs everything else in place. */
  noteLast(what: string, undo: Undo): void;
  /** The last first. */
  inReverse(): readonly Change[];
  readonly any: boolean;
}

export function createChanges(): Changes {
  const changes: Change[] = [];
  return {
    note(what, undo) {
      changes.push({ what, undo });
    },
    noteLast(what, undo) {
      changes.unshift({ what, undo });
    },
    inReverse: () => changes.toReversed(),
    get any() {
      return changes.length > 0;
    },
  };
}
