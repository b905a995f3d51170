/** One step of a bootstrap. */

export const STEP_NAMES = [
  'connect',
  'check',
  'upload',
  'configure',
  'try',
  'switch',
  'service',
  'start',
  'advert',
  'canary',
  'tidy',
  'stop',
  'remove',
] as const;
export type StepName = (typeof STEP_NAMES)[number];

/** Says what is already as it should be; or what would be done, which is what a dry run tells. */
export type Look = { readonly right: string } | { readonly would: string };

/**
 * Whatever `act` changes it notes in the run's `Changes` before it does, with the way back: a step needs no undo of its
 * own, and one that breaks off in the middle is taken back as far as it had come.
 */
export interface Step {
  readonly name: StepName;
  look(): Promise<Look>;
  /** @returns what was done, in words */
  act(): Promise<string>;
}

export type StepOutcome = 'done' | 'unchanged' | 'would' | 'failed';

export interface StepReport {
  readonly step: StepName;
  readonly outcome: StepOutcome;
  readonly says: string;
  readonly took_ms: number;
}

/** How a run is followed while it goes on. */
export interface Watcher {
  began(step: StepName): void;
  /** Within the step that is going on. */
  progress(text: string): void;
  ended(report: StepReport): void;
  /** A sentence that is no step: a warning, what a rollback does. */
  note(text: string): void;
}
