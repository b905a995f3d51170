/**
 * What a coordination was asked, in a word that each of its parts carries: the name of a part tells nothing of the
 * strategy or of the agents named, and whoever repeats an id with another request must not get the answers to the first.
 */
import { createHash } from 'node:crypto';
import type { CoordinateRequest, Strategy } from '../../protocol/coordination.ts';
import { CcliError } from '../../protocol/errors.ts';

/** In the order of the word. */
const PIECES = ['strategy', 'prompt', 'agents', 'max_agents'] as const;

const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** In whichever order, and however often, the agents are named: the same ones are asked. */
export function askedWord(
  { prompt, agents, max_agents }: Pick<CoordinateRequest, 'prompt' | 'agents' | 'max_agents'>,
  strategy: Strategy,
): string {
  const named = agents === undefined ? 'any' : digest([...new Set(agents)].sort());
  return [strategy, digest(prompt), named, String(max_agents ?? 'any')].join('.');
}

/** @throws CcliError `idempotency_conflict` saying what differs */
export function refuseOtherRequest(
  coordination_id: string,
  word: string,
  found: readonly { readonly view: { readonly options: { readonly coordination?: string | undefined } } }[],
): void {
  const before = found.map(({ view }) => view.options.coordination).find(other => (other ?? word) !== word);
  if (before === undefined) return;
  const [then, now] = [before.split('.'), word.split('.')];
  const others = PIECES.filter((_, index) => then[index] !== now[index]);
  const differ = others.length === 1 && others[0] !== 'agents' ? 'differs' : 'differ';
  throw new CcliError(
    'idempotency_conflict',
    `The coordination_id ${coordination_id} belongs to another request: the ${others.join(' and the ')} ${differ}. Repeat that request as it was, or use a new one.`,
  );
}
