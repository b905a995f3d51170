/**
 * The agents during one plan. Tasks that ask for the same share one view of the agents that suit them, each of which is
 * looked at once. A task that is placed makes its agent only worse for the next one; so the views are put right no
 * earlier than when they are looked at.
 */
import type { AgentStatus } from '../../protocol/agent.ts';
import { positionOf } from './chain.ts';
import { createHeap, type Heap } from './heap.ts';
import {
  type Blocking,
  type Candidate,
  conditionOf,
  type Demand,
  type Fit,
  slotsTaken,
  suits,
} from './placement.ts';
import { comesBefore, keysOf, type Standing } from './score.ts';

/** One agent, and how many of its slots are taken by now. */
export interface Seat {
  readonly candidate: Candidate;
  readonly condition: Fit;
  used: number;
}

/** An agent that suits a task and has no room for it. */
export interface Blocked {
  readonly seat: Seat;
  readonly position: number;
  readonly fit: Blocking;
}

interface Contender extends Standing {
  readonly seat: Seat;
  readonly keys: number[];
  used: number;
}

/** The agents of one position in the chain. */
export interface Place {
  /** All of them. */
  readonly seats: ReadonlySet<Seat>;
  readonly free: Heap<Contender>;
  readonly busy: Blocked[];
  /** The one whose pause ends first comes first. */
  readonly cooling: readonly Blocked[];
  /** Away or broken. */
  readonly closed: readonly Blocked[];
}

/** How the agents stand to all tasks that ask for the same. */
export interface View {
  readonly places: readonly Place[];
  /** Why such a task waits that is bound to nothing else, once that is known: within one plan it does not change. */
  waits: string | undefined;
}

export interface Pool {
  /** By name. */
  readonly seats: readonly Seat[];
  readonly candidates: readonly Candidate[];
  seat(node: string, agent_id: string): Seat | undefined;
  view(demand: Demand): View;
}

export function createPool(given: readonly Candidate[]): Pool {
  const candidates = [...given].sort(byName);
  const seats = candidates.map(candidate => ({
    candidate,
    condition: conditionOf(candidate),
    used: candidate.used,
  }));
  const by_key = new Map(
    seats.map(seat => [keyOf(seat.candidate.node, seat.candidate.status.agent_id), seat]),
  );
  const by_name = groupBy(seats, ({ agent_id, agent_type }) => [...new Set([agent_id, agent_type])]);
  const limits = [...new Set(candidates.map(({ status }) => status.max_prompt_bytes))].sort((a, b) => a - b);
  const views = new Map<string, View>();

  /** Those that the task may name; each once. */
  const named = ({ chain, options }: Demand): Iterable<Seat> => {
    const name = options.agent_id ?? options.agent_type;
    if (chain !== undefined) return new Set(chain.flatMap(member => by_name.get(member) ?? []));
    return name === undefined ? seats : (by_name.get(name) ?? []);
  };

  return {
    seats,
    candidates,
    seat: (node, agent_id) => by_key.get(keyOf(node, agent_id)),
    view(demand) {
      const key = shapeOf(demand, limits);
      const known = views.get(key);
      if (known !== undefined) return known;
      const view = viewOf(demand, named(demand));
      views.set(key, view);
      return view;
    },
  };
}

function viewOf(demand: Demand, seats: Iterable<Seat>): View {
  const { chain, options } = demand;
  const places = (chain ?? ['anyone']).map(() => ({
    seats: new Set<Seat>(),
    contenders: [] as Contender[],
    busy: [] as Blocked[],
    cooling: [] as Blocked[],
    closed: [] as Blocked[],
  }));
  for (const seat of seats) {
    const { status } = seat.candidate;
    if (!suits(status, demand)) continue;
    const position = chain === undefined ? 0 : (positionOf(status, chain, options) ?? 0);
    const place = places[position];
    place?.seats.add(seat);
    const fit = fitNow(seat);
    if (fit.fit === 'free') place?.contenders.push(contender(seat, demand, position));
    else if (fit.fit === 'busy') place?.busy.push({ seat, position, fit });
    else if (fit.fit === 'cooling') place?.cooling.push({ seat, position, fit });
    else place?.closed.push({ seat, position, fit });
  }
  return {
    places: places.map(({ seats, contenders, busy, cooling, closed }) => ({
      seats,
      free: createHeap((a, b) => comesBefore(a, a.keys, b, b.keys), contenders),
      busy,
      cooling: cooling.sort((a, b) => leftOf(a) - leftOf(b)),
      closed,
    })),
    waits: undefined,
  };
}

const leftOf = ({ fit }: Blocked): number => (fit.fit === 'cooling' ? fit.left_ms : 0);

function contender(seat: Seat, demand: Demand, position: number): Contender {
  const standing = standingOf(seat, demand, position);
  return { ...standing, seat, keys: keysOf(standing) };
}

/** An agent before a task that it is nothing special to. */
export const standingOf = (seat: Seat, demand: Demand, position: number): Standing => ({
  node: seat.candidate.node,
  status: seat.candidate.status,
  used: seat.used,
  demand,
  position,
  in_session: false,
  regard: 'fresh',
});

/** For a task that it suits. */
export const fitNow = ({ condition, candidate: { status }, used }: Seat): Fit =>
  condition.fit === 'free' && used >= status.max_concurrent ? slotsTaken(status) : condition;

/** The best agent of the place that has a free slot now. What has changed since the last look is put right. */
function best(place: Place): Contender | undefined {
  for (;;) {
    const first = place.free.first();
    if (first === undefined || first.used === first.seat.used) return first;
    const fit = fitNow(first.seat);
    if (fit.fit === 'free') {
      first.used = first.seat.used;
      first.keys.splice(0, first.keys.length, ...keysOf(first));
      place.free.settle();
    } else {
      place.free.take();
      place.busy.push({ seat: first.seat, position: first.position, fit });
    }
  }
}

/** The free agents of a place, best first, until the caller has seen enough. */
export function lookThrough(place: Place, enough: (seen: Contender) => boolean): void {
  const seen: Contender[] = [];
  for (let next = best(place); next !== undefined; next = best(place)) {
    place.free.take();
    seen.push(next);
    if (enough(next)) break;
  }
  for (const contender of seen) place.free.add(contender);
}

export const firstOf = (place: Place): Contender | undefined => best(place);

export const byName = (a: Candidate, b: Candidate): number =>
  compareText(a.status.agent_id, b.status.agent_id) || compareText(a.node, b.node);

const compareText = (a: string, b: string): number => Number(a > b) - Number(a < b);

const keyOf = (node: string, agent_id: string): string => `${node}/${agent_id}`;

function groupBy(seats: readonly Seat[], namesOf: (status: AgentStatus) => string[]): Map<string, Seat[]> {
  const groups = new Map<string, Seat[]>();
  for (const seat of seats) {
    for (const name of namesOf(seat.candidate.status)) {
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [seat]);
      else group.push(seat);
    }
  }
  return groups;
}

/** What decides which agents suit; of the size of the prompt, only which limits it exceeds. */
function shapeOf({ options, prompt_bytes, chain }: Demand, limits: readonly number[]): string {
  const { agent_id, agent_type, specialty, model, labels, min_gpu_memory_bytes } = options;
  let exceeded = 0;
  while (exceeded < limits.length && prompt_bytes > (limits[exceeded] ?? 0)) exceeded += 1;
  return JSON.stringify([
    chain,
    agent_id,
    agent_type,
    specialty,
    model,
    labels,
    min_gpu_memory_bytes,
    exceeded,
  ]);
}
