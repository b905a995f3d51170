/** The series of one agent, through the fleet. */
import type { CcliError } from '../../protocol/errors.ts';
import type { AgentView, TaskView } from '../../protocol/operation.ts';
import type { TaskOptions } from '../../protocol/task.ts';
import { ask, type Question, type Road } from './ask.ts';
import type { Series } from './baseline.ts';
import { digest } from './digest.ts';
import { measure } from './measure.ts';
import type { AgentPlan, PlannedSeries } from './plan.ts';

export interface AgentOptions {
  readonly road: Road;
  readonly prompt: string;
  readonly model?: string | undefined;
  readonly signal: AbortSignal;
  /** A series begins, and so many of its runs are over. */
  readonly onRun: (planned: PlannedSeries | 'warm_up', done: number) => void;
}

export interface Found {
  readonly series: readonly Series[];
  readonly notes: readonly string[];
  /** The last failure of any run. */
  readonly error: CcliError | undefined;
}

/** @throws whatever `signal` was aborted with; a run that fails is counted */
export async function measureAgent(plan: AgentPlan, options: AgentOptions): Promise<Found> {
  const { agent } = plan;
  const notes = [...plan.notes];
  const all: Series[] = [];
  let error: CcliError | undefined;
  for (let run = 0; run < plan.warm_up; run += 1) {
    options.onRun('warm_up', run);
    const views: TaskView[] = [];
    const warm_up = await measure({
      ...{ runs: 1, at_a_time: 1, signal: options.signal },
      sample: sampler({ kind: 'warm', at_a_time: 1, runs: 1 }, agent, options, views),
    });
    const load_ms = views[0]?.load_ms;
    if (load_ms !== undefined && load_ms >= 1)
      notes.push(`${agent.agent_id}: loading the model took ${Math.round(load_ms)} ms of the first run`);
    error = warm_up.error ?? error;
  }
  for (const planned of plan.series) {
    options.onRun(planned, 0);
    const views: TaskView[] = [];
    const measured = await measure({
      runs: planned.runs,
      at_a_time: planned.at_a_time,
      signal: options.signal,
      sample: sampler(planned, agent, options, views),
      onRun: done => {
        options.onRun(planned, done);
      },
    });
    const { error: failed, ...figures } = measured;
    error = failed ?? error;
    if (planned.kind === 'cold' && views.some(view => view.warm === true)) {
      notes.push(`${agent.agent_id}: cold could not be had; its node runs an older ccli, or its tool was up`);
      continue;
    }
    all.push({
      subject: agent.agent_id,
      kind: planned.kind,
      ...figures,
      conditions: conditionsOf(agent, options, views),
      versions: versionsOf(agent),
    });
  }
  return { series: all, notes, error };
}

function sampler(
  planned: PlannedSeries,
  { agent_id }: AgentView,
  { road, prompt, model }: AgentOptions,
  views: TaskView[],
): (signal: AbortSignal) => ReturnType<typeof ask> {
  const options: TaskOptions = {
    agent_id,
    ...(model !== undefined && { model }),
    ...(planned.kind === 'cold' && { cold: true }),
  };
  const question: Question = { prompt, options };
  return async signal => {
    const asked = await ask(road, question, signal);
    views.push(asked.view);
    return asked;
  };
}

/** How the answers came, not how the agent was reached at the beginning: that may have changed meanwhile. */
function conditionsOf(
  agent: AgentView,
  { prompt, model }: AgentOptions,
  views: readonly TaskView[],
): Record<string, string> {
  const roads = new Set(views.map(view => view.transport ?? 'nats'));
  return {
    prompt: digest(prompt),
    driver: agent.driver,
    node: agent.node,
    transport: roads.size === 0 ? (agent.transport ?? 'nats') : [...roads].sort().join('+'),
    model: model ?? agent.model ?? 'its own',
  };
}

const versionsOf = ({ cli_version, node_version }: AgentView): Record<string, string> => ({
  ...(cli_version !== undefined && { cli: cli_version }),
  ...(node_version !== undefined && { 'node.js': node_version }),
});
