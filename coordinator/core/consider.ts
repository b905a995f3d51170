/** What is told of a choice: each agent with the reason it was or was not chosen, best first. */
import { type Considered, MAX_CONSIDERED } from '../../protocol/placement.ts';
import { type Chosen, rankOf, regard, type Wanted } from './choose.ts';
import { misfitOf } from './placement.ts';
import { type Blocked, lookThrough, type Pool, type Seat, type View } from './pool.ts';
import { comesBefore, keysOf, type Standing, whyBefore } from './score.ts';

export interface Consideration {
  readonly considered: Considered[];
  /** How many agents there are beyond those. */
  readonly left_out: number;
  /** Free agents that the chosen one was better than; more than are listed when there are many. */
  readonly rivals: readonly Standing[];
}

const MAX_WHY = 500;

/** @param waits why nobody was chosen */
export function consider(
  task: Wanted,
  pool: Pool,
  view: View,
  outcome: { readonly chosen: Chosen } | { readonly waits: string },
): Consideration {
  const chosen = 'chosen' in outcome ? outcome.chosen : undefined;
  const considered: Considered[] = [];
  const tell = (
    seat: Seat,
    verdict: Considered['verdict'],
    why: string,
    code?: Considered['code'],
  ): boolean => {
    if (considered.length >= MAX_CONSIDERED) return false;
    const { node, status } = seat.candidate;
    const clipped = why.slice(0, MAX_WHY);
    considered.push({ agent_id: status.agent_id, node, verdict, why: clipped, ...(code && { code }) });
    return true;
  };

  const free = freeOf(task, view);
  const rivals = free.filter(({ seat, standing }) => seat !== chosen?.seat && standing.regard !== 'unfit');
  if (chosen !== undefined)
    tell(
      chosen.seat,
      'chosen',
      describeChoice(
        chosen,
        rivals.map(({ standing }) => standing),
      ),
    );
  for (const { seat, standing } of rivals) {
    const why = 'waits' in outcome ? `It has room. The task waits: ${outcome.waits}` : undefined;
    const beaten =
      chosen && `Behind ${nameBeside(chosen.standing, standing)}: ${whyBefore(chosen.standing, standing)}.`;
    if (!tell(seat, 'eligible', beaten ?? why ?? '')) break;
  }
  const unfit = (one: { seat: Seat; position: number }): boolean =>
    rankOf(regard(task, one)) === rankOf('unfit');
  const blocked = view.places.flatMap(({ busy, cooling }) => [...busy, ...cooling]);
  for (const one of blocked) {
    if (unfit(one)) continue;
    if (!tell(one.seat, 'waiting', one.fit.why.message, one.fit.why.code)) break;
  }
  for (const one of [
    ...free.map(({ seat, standing }) => ({ seat, position: standing.position })),
    ...blocked,
  ]) {
    if (!unfit(one)) continue;
    const { node, status } = one.seat.candidate;
    const code = task.tried.findLast(
      tried => tried.node === node && tried.agent_id === status.agent_id && !tried.refused,
    )?.code;
    if (!tell(one.seat, 'excluded', `The task failed there with ${code ?? 'an error'}.`, code)) break;
  }
  const closed: readonly Blocked[] = view.places.flatMap(place => place.closed);
  for (const { seat, fit } of closed) if (!tell(seat, 'excluded', fit.why.message, fit.why.code)) break;
  for (const seat of pool.seats) {
    if (considered.length >= MAX_CONSIDERED) break;
    const misfit = misfitOf(seat.candidate.status, task);
    if (misfit !== undefined) tell(seat, 'excluded', misfit.message, misfit.code);
  }
  return {
    considered,
    left_out: pool.seats.length - considered.length,
    rivals: rivals.map(({ standing }) => standing),
  };
}

/** The free agents, as many as can be told of, in the order in which the task would take them. */
function freeOf(task: Wanted, { places }: View): { seat: Seat; standing: Standing }[] {
  const found: { seat: Seat; standing: Standing }[] = [];
  for (const place of places) {
    let seen = 0;
    lookThrough(place, contender => {
      const standing =
        task.tried.length === 0 ? contender : { ...contender, regard: regard(task, contender) };
      found.push({ seat: contender.seat, standing });
      seen += 1;
      return seen >= MAX_CONSIDERED;
    });
  }
  if (task.tried.length === 0) return found;
  return found
    .map(one => ({ ...one, keys: keysOf(one.standing) }))
    .sort((a, b) => (comesBefore(a.standing, a.keys, b.standing, b.keys) ? -1 : 1));
}

/** `best of 3 free: priority 5 over 0 (ironwood-gemini)`. */
export function describeChoice({ standing, instead }: Chosen, rivals: readonly Standing[]): string {
  const [next] = rivals;
  const count = rivals.length >= MAX_CONSIDERED ? `more than ${MAX_CONSIDERED}` : `${rivals.length + 1}`;
  const choice =
    next === undefined
      ? 'the only agent free'
      : `best of ${count} free: ${whyBefore(standing, next)} (${nameBeside(next, standing)})`;
  return instead === undefined ? choice : `${choice}; ${instead}`;
}

/** Two nodes may each have an agent of one id. */
const nameBeside = ({ status, node }: Standing, other: Standing): string =>
  status.agent_id === other.status.agent_id ? `${status.agent_id} on ${node}` : status.agent_id;
