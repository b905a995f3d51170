/** How far a reader of a task has come, as it goes over the wire: `<attempt>.<n>`. */
import { CcliError } from '../../protocol/errors.ts';
import { POSITION_PATTERN } from '../../protocol/stream.ts';

export interface Position {
  readonly attempt: number;
  /** Number of the next chunk wanted. */
  readonly n: number;
}

export const writePosition = ({ attempt, n }: Position): string => `${attempt}.${n}`;

/** @throws CcliError `invalid_request` */
export function readPosition(text: string): Position {
  const [, attempt, n] = POSITION_PATTERN.exec(text) ?? [];
  if (attempt !== undefined && n !== undefined) return { attempt: Number(attempt), n: Number(n) };
  throw new CcliError(
    'invalid_request',
    'The position is none of ours; give the id of an event of this task, like "1.17", or none to begin anew.',
  );
}
