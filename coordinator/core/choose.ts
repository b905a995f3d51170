/** The agent for one task, or what the task waits for. */
import type { ErrorBody } from '../../protocol/errors.ts';
import { noFit } from './assess.ts';
import { describeChain, positionOf } from './chain.ts';
import { describePassed, regardOf, type Tried, whyPassed } from './fallback.ts';
import { type Demand, type Fit, misfitOf, why } from './placement.ts';
import {
  type Blocked,
  firstOf,
  fitNow,
  lookThrough,
  type Place,
  type Pool,
  type Seat,
  standingOf,
  type View,
} from './pool.ts';
import { isSetupFailure } from './retry.ts';
import { isPoor, type Regard, type Standing } from './score.ts';

/** A task as far as the choice of its agent goes. */
export interface Wanted extends Demand {
  /** Its earlier attempts that are on record. */
  readonly tried: readonly Tried[];
  readonly session?: SessionFacts | undefined;
}

export interface SessionFacts {
  /** An earlier task of the session has not ended. */
  readonly earlier_pending: boolean;
  /** Which agent answered last. */
  readonly agent?: { readonly node: string; readonly agent_id: string } | undefined;
}

export interface Chosen {
  readonly seat: Seat;
  readonly standing: Standing;
  /** Why it is not the agent that the session is with. */
  readonly instead: string | undefined;
  /** Which members of the chain come before it, and why it was not one of them. */
  readonly passed: string | undefined;
  /** The agents that it could as well have been given: who else has tasks running there is before or behind it. */
  readonly rivals: (seat: Seat) => boolean;
}

export type Choice =
  | ({ readonly choice: 'take' } & Chosen)
  | { readonly choice: 'wait'; readonly why: ErrorBody };

/** A conversation changes its agent rather than wait longer than this for a pause to end. */
const SESSION_PATIENCE_MS = 60_000;

export function choose(task: Wanted, pool: Pool, view: View): Choice {
  const held = task.session?.agent === undefined ? undefined : holdToSession(task, task.session.agent, pool);
  if (held !== undefined && 'choice' in held) return held;
  // Whoever has failed the task repeatedly is better than nobody, and a free one of those better than a busy one.
  let waits: ErrorBody | undefined;
  const bars = task.tried.length === 0 ? [TRIED] : [TRIED, GIVEN_UP];
  for (const bar of bars) {
    for (const [position, place] of view.places.entries()) {
      const standing = bestOf(place, task, bar);
      if (standing !== undefined) {
        const passed = position === 0 ? undefined : describe(task, view, position);
        const seat = pool.seat(standing.node, standing.status.agent_id);
        const rivals = (other: Seat): boolean =>
          place.seats.has(other) &&
          (task.tried.length === 0 || rankOf(regard(task, { seat: other, position })) <= bar);
        const instead = isSessions(task, seat) ? undefined : held?.instead;
        if (seat !== undefined) return { choice: 'take', seat, standing, instead, passed, rivals };
      }
      // An agent that is merely busy is waited for, and the rest of the chain is left alone.
      const busy = place.busy.find(blocked => rankOf(regard(task, blocked)) <= bar);
      if (busy === undefined) continue;
      if (bar === TRIED) return { choice: 'wait', why: busy.fit.why };
      waits ??= busy.fit.why;
    }
  }
  if (waits !== undefined) return { choice: 'wait', why: waits };
  return { choice: 'wait', why: whyNobody(task, pool, view) };
}

const isSessions = ({ session }: Wanted, seat: Seat | undefined): boolean =>
  seat?.candidate.node === session?.agent?.node &&
  seat?.candidate.status.agent_id === session?.agent?.agent_id;

const RANKS: Readonly<Record<Regard, number>> = { fresh: 0, tried: 1, given_up: 2, unfit: 3 };
const TRIED = RANKS.tried;
const GIVEN_UP = RANKS.given_up;

export const rankOf = (regard: Regard): number => RANKS[regard];

/** What an agent that stands in a place is to the task. */
export const regard = (task: Wanted, { seat, position }: { seat: Seat; position: number }): Regard => {
  const { node, status } = seat.candidate;
  return regardOf(task.tried, { node, agent_id: status.agent_id, position }, task);
};

function holdToSession(
  task: Wanted,
  agent: { readonly node: string; readonly agent_id: string },
  pool: Pool,
): Choice | { readonly instead: string } {
  const instead = (reason: string): { instead: string } => ({
    instead: `not ${agent.agent_id}, which its session is with: ${reason.replace(/\.$/, '')}`,
  });
  const seat = pool.seat(agent.node, agent.agent_id);
  if (seat === undefined) return instead('it has left');
  const { status } = seat.candidate;
  const misfit = misfitOf(status, task);
  if (misfit !== undefined) return instead(misfit.message);
  const position = task.chain === undefined ? 0 : (positionOf(status, task.chain, task.options) ?? 0);
  const { tried } = task;
  if (tried.some(one => one.node === agent.node && one.agent_id === agent.agent_id && !one.refused))
    return instead('the task has failed there');
  if (rankOf(regard(task, { seat, position })) > TRIED)
    return instead('attempts of the task have failed or were refused there');
  if (isPoor(status)) return instead('most of its recent runs have failed');
  const fit = fitNow(seat);
  if (fit.fit === 'free') {
    const standing: Standing = { ...standingOf(seat, task, position), in_session: true };
    const passed = position === 0 ? undefined : 'its session is with this agent';
    return { choice: 'take', seat, standing, instead: undefined, passed, rivals: other => other === seat };
  }
  const soon = fit.fit === 'busy' || (fit.fit === 'cooling' && fit.left_ms <= SESSION_PATIENCE_MS);
  return soon ? { choice: 'wait', why: fit.why } : instead(fit.why.message);
}

function bestOf(place: Place, task: Wanted, bar: number): Standing | undefined {
  if (task.tried.length === 0) return firstOf(place);
  let best: Standing | undefined;
  lookThrough(place, contender => {
    const found = regard(task, contender);
    if (rankOf(found) <= bar && (best === undefined || rankOf(found) < rankOf(best.regard)))
      best = { ...contender, regard: found };
    return best?.regard === 'fresh';
  });
  return best;
}

/** Enough of each kind to name a few and to know that there are more. */
const LOOKED_AT = 4;

function describe(task: Wanted, { places }: View, position: number): string {
  const members = places.slice(0, position).map((place, index) => {
    const blocked = [...place.cooling, ...place.closed, ...place.busy].slice(0, LOOKED_AT);
    const reasons = blocked.map(one => reasonOf(task, one, one.fit));
    let looked = 0;
    lookThrough(place, contender => {
      reasons.push(reasonOf(task, contender, fitNow(contender.seat)));
      looked += 1;
      return looked >= LOOKED_AT;
    });
    return [task.chain?.[index] ?? '', reasons] as const;
  });
  return describePassed(members);
}

const reasonOf = (task: Wanted, at: { readonly seat: Seat; readonly position: number }, fit: Fit): string => {
  const { node, status } = at.seat.candidate;
  const place = { node, agent_id: status.agent_id, position: at.position };
  return whyPassed(place, fit, regard(task, at), task.tried);
};

/** Of all that suit, none takes it now or soon: the one that will first. */
function whyNobody(task: Wanted, pool: Pool, { places }: View): ErrorBody {
  const cooling = places.flatMap(place => place.cooling.slice(0, 1)).sort((a, b) => leftOf(a) - leftOf(b));
  const closed = places.flatMap(place => place.closed);
  const away = closed.find(({ fit }) => fit.fit === 'away');
  const found = cooling[0] ?? away ?? closed[0];
  return found?.fit.why ?? whyUnfit(task) ?? noFit(task, pool.candidates);
}

/** The only agents there have shown that they will not do. */
function whyUnfit({ tried, chain }: Wanted): ErrorBody | undefined {
  const last = tried.findLast(({ refused, code }) => !refused && code !== undefined && isSetupFailure(code));
  if (chain === undefined || last?.code === undefined) return undefined;
  const others = `nobody else in the chain ${describeChain(chain)} takes it now`;
  return why(last.code, `${last.agent_id} failed the task with ${last.code}, and ${others}.`);
}

const leftOf = ({ fit }: Blocked): number => (fit.fit === 'cooling' ? fit.left_ms : 0);
