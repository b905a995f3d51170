/** Which series an agent gets, and how many prompts that takes: known before the first one is sent. */
import type { AgentView } from '../../protocol/operation.ts';
import type { SeriesKind } from './baseline.ts';

export interface PlannedSeries {
  readonly kind: Extract<SeriesKind, 'warm' | 'cold' | 'concurrent'>;
  readonly at_a_time: number;
  readonly runs: number;
}

export interface AgentPlan {
  readonly agent: AgentView;
  /** Prompts that only make sure the agent is warm. */
  readonly warm_up: number;
  readonly series: readonly PlannedSeries[];
  readonly notes: readonly string[];
  /** Prompts in all, each a call of a model at least. */
  readonly calls: number;
}

interface PlanOptions {
  readonly runs: number;
  /** Numbers of prompts at a time; 1, 2, 4, … up to the agent's slots unless given. */
  readonly levels?: readonly number[] | undefined;
}

/** Several prompts at a time each get company only when there are more prompts than that. */
const RUNS_PER_LANE = 2;

export function planAgent(agent: AgentView, { runs, levels }: PlanOptions): AgentPlan {
  const { agent_id, driver, transport, ssh_fallback } = agent;
  const ever_warm = driver !== 'headless';
  const series: PlannedSeries[] = [];
  const notes: string[] = [];
  if (ever_warm) series.push({ kind: 'warm', at_a_time: 1, runs });
  // One at a time is what the other series are.
  for (const at_a_time of levels ?? upTo(agent.max_concurrent))
    if (at_a_time > 1)
      series.push({ kind: 'concurrent', at_a_time, runs: Math.max(runs, RUNS_PER_LANE * at_a_time) });
  if (driver === 'ollama')
    notes.push(`${agent_id}: cold does not apply; its model server decides what stays in memory`);
  else series.push({ kind: 'cold', at_a_time: 1, runs });
  if (!ever_warm) notes.push(`${agent_id}: never warm; its driver starts a process for each task`);
  if (transport !== 'ssh') notes.push(`${agent_id}: measured over NATS; ${bySsh(ssh_fallback)}`);
  const warm_up = ever_warm ? 1 : 0;
  const calls = series.reduce((sum, planned) => sum + planned.runs, warm_up);
  return { agent, warm_up, series, notes, calls };
}

const bySsh = (fallback: AgentView['ssh_fallback']): string =>
  fallback === undefined
    ? 'no SSH is set up for its node'
    : fallback === 'off'
      ? 'its policy keeps tasks from SSH'
      : 'tasks go by SSH only while its node cannot be reached so, or with --ssh-fallback only';

function upTo(slots: number): number[] {
  const levels: number[] = [];
  for (let level = 1; level < slots; level *= 2) levels.push(level);
  return [...levels, slots];
}
