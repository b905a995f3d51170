/** How often each kind of trouble starts anew, so that one side can be held to what another did. */
import { KINDS } from './kinds.ts';

export interface Pace {
  /** One run has ended: from its start to the start of the next. */
  add(agent_id: string, took_ms: number): void;
  /** Only runs that end meanwhile count for the mean: before and after, the machine has less to do. */
  during<T>(work: () => Promise<T>): Promise<T>;
  /** All that were added. */
  runs(): number;
  /** By kind; not there for a kind of which none has counted yet. */
  mean_ms(): Readonly<Record<string, number>>;
}

export function createPace(): Pace {
  const took = new Map<string, { sum_ms: number; runs: number }>();
  let counts = false;
  let all = 0;
  return {
    add(agent_id, took_ms) {
      all += 1;
      if (!counts) return;
      const { sum_ms, runs } = took.get(agent_id) ?? { sum_ms: 0, runs: 0 };
      took.set(agent_id, { sum_ms: sum_ms + took_ms, runs: runs + 1 });
    },
    async during(work) {
      counts = true;
      try {
        return await work();
      } finally {
        counts = false;
      }
    },
    runs: () => all,
    mean_ms: () => Object.fromEntries([...took].map(([id, { sum_ms, runs }]) => [id, sum_ms / runs])),
  };
}

/** For the foot of the table: `crash 210/212/208, …`. */
export function renderPaces(paces: readonly Pace[]): string {
  const means = paces.map(pace => pace.mean_ms());
  const show = (ms: number | undefined): string => ms?.toFixed(0) ?? '-';
  return [...KINDS.keys()]
    .map(id => `${id.replace('bench-', '')} ${means.map(mean => show(mean[id])).join('/')}`)
    .join(', ');
}
