/** Takes a baseline: every series of every target, one after another, so that none is in another's way. */
import type { CcliError } from '../../protocol/errors.ts';
import type { SshHost } from '../ssh/ssh.ts';
import { measureAgent } from './agent.ts';
import type { Road } from './ask.ts';
import { BASELINE_VERSION, type Baseline, type Series } from './baseline.ts';
import { type HostCli, measureHost } from './host.ts';
import type { AgentPlan } from './plan.ts';

export interface TakeOptions {
  readonly name: string;
  readonly ccli_version: string;
  readonly prompt: string;
  readonly model?: string | undefined;
  readonly runs: number;
  /** Absent when there is no agent to measure. */
  readonly road?: Road | undefined;
  readonly agents: readonly AgentPlan[];
  readonly host?: { readonly ssh: SshHost; readonly cli: HostCli | undefined } | undefined;
  /** Known before anything was measured. */
  readonly notes: readonly string[];
  readonly signal: AbortSignal;
  /** What is being measured: `Series` by subject and kind, and how many of its runs are over. */
  readonly onRun: (
    subject: string,
    series: Pick<Series, 'kind' | 'at_a_time'> | 'warm_up',
    done: number,
  ) => void;
}

export interface Taken {
  readonly baseline: Baseline;
  /** The last failure of any run. */
  readonly error: CcliError | undefined;
}

/** @throws whatever `signal` was aborted with; a run that fails is counted in its series */
export async function takeBaseline(options: TakeOptions): Promise<Taken> {
  const { road, prompt, model, runs, signal, host } = options;
  const taken_at = new Date().toISOString();
  const series: Series[] = [];
  const notes = [...options.notes];
  let error: CcliError | undefined;
  for (const plan of options.agents) {
    if (road === undefined) break;
    const { agent_id } = plan.agent;
    const found = await measureAgent(plan, {
      ...{ road, prompt, model, signal },
      onRun: (planned, done) => {
        options.onRun(agent_id, planned, done);
      },
    });
    series.push(...found.series);
    notes.push(...found.notes);
    error = found.error ?? error;
  }
  if (host !== undefined) {
    const found = await measureHost({
      ...{ host: host.ssh, cli: host.cli, prompt, model, runs, signal },
      onRun: (kind, done) => {
        options.onRun(host.ssh.name, { kind, at_a_time: 1 }, done);
      },
    });
    series.push(...found.series);
    notes.push(...found.notes);
    error = found.error ?? error;
  }
  const { name, ccli_version } = options;
  const prompt_bytes = Buffer.byteLength(prompt);
  return {
    baseline: { v: BASELINE_VERSION, name, taken_at, ccli_version, prompt_bytes, series, notes },
    error,
  };
}

/** Whether anything was measured at all. */
export const measuredAny = ({ series }: Baseline): boolean =>
  series.some(({ whole_ms }) => whole_ms.length > 0);
