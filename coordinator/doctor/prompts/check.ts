/** What an agent does with prompts: one, for its answer and its time, then more and more at a time. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { skipped, type Verdict } from '../../../protocol/finding.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import type { FleetContext } from '../fleet/context.ts';
import { type Batch, isWhole, judgeConcurrency } from '../judge/concurrency.ts';
import { judgePrompt } from '../judge/prompt.ts';
import { PROMPT_LIMIT_MS, sendTinyPrompt } from './tiny-prompt.ts';

interface PromptCheckOptions {
  readonly agent: AgentView;
  /** The most prompts at a time. */
  readonly concurrency: number;
}

/** One at a time on a node: the agents of one account would limit each other. */
export const promptsCheck = (agents: readonly AgentView[], concurrency: number): Check<FleetContext> => ({
  id: 'prompt',
  title: 'short test prompts',
  // Every prompt has a limit of its own; this one is for whatever else may hang.
  limit_ms: Math.max(1, agents.length) * 4 * PROMPT_LIMIT_MS,
  async run(context, signal) {
    const found: Verdict[] = [];
    for (const agent of agents) found.push(...(await tryAgent(context, { agent, concurrency }, signal)));
    return found;
  },
});

async function tryAgent(
  context: FleetContext,
  { agent, concurrency }: PromptCheckOptions,
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const { agent_id, max_concurrent } = agent;
  const why = unavailable(agent);
  if (why !== undefined) return [skipped(why, { agent_id })];
  const first = await sendTinyPrompt(context, agent, signal);
  const prompt = judgePrompt(agent_id, first);
  const bound = Math.min(concurrency, max_concurrent);
  if (first.ended === 'failed') return [prompt];
  if (bound < 2) {
    const says = max_concurrent < 2 ? 'It has one slot.' : 'One at a time is all that was to be tried.';
    return [prompt, skipped(says, { check: 'concurrency', agent_id })];
  }
  const batches: Batch[] = [{ size: 1, results: [first] }];
  for (const size of sizesUpTo(bound)) {
    const sent = Array.from({ length: size }, () => sendTinyPrompt(context, agent, signal));
    const batch = { size, results: await Promise.all(sent) };
    batches.push(batch);
    if (!isWhole(batch)) break;
  }
  const trial = { agent_id, slots: max_concurrent, bound, batches };
  return [prompt, { ...judgeConcurrency(trial), check: 'concurrency' }];
}

/** 2, 4, 8, … and the bound itself. */
export function sizesUpTo(bound: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = 2; size < bound; size *= 2) sizes.push(size);
  return bound < 2 ? [] : [...sizes, bound];
}

function unavailable({ available, running, max_concurrent, enabled, alive }: AgentView): string | undefined {
  if (!alive) return 'No prompt: its node is lost.';
  if (!enabled) return 'No prompt: it is disabled.';
  if (available) return undefined;
  if (running >= max_concurrent && max_concurrent > 0)
    return 'No prompt: all its slots are taken by other tasks.';
  return 'No prompt: it takes none now.';
}
