/** What an answer consists of, whichever API tells it. */
import type { Usage } from '../../../protocol/task.ts';

/** `length`: the model has cut it short. */
export type Finish = 'stop' | 'length';

export interface Ending {
  readonly finish: Finish;
  readonly usage?: Usage;
}

export interface Answer extends Ending {
  readonly text: string;
}

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  /** The last one. */
  | ({ readonly kind: 'end' } & Ending);
