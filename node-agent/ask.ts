/** The debug door: plain text in, one bounded answer out, without a coordinator, a task or a store. */
import { CcliError } from '../protocol/errors.ts';
import type { Agent } from './agent.ts';
import { runBriefly } from './briefly.ts';
import { restOf } from './core/admission.ts';

const TIMEOUT_MS = 60_000;

/**
 * @throws CcliError `prompt_empty`, `prompt_has_nul`, `draining`, `no_agents`, `slots_taken`, an agent's own problem
 *   or cooldown, or whatever the run ended with
 */
export async function ask(
  prompt: string,
  { agents, draining, signal }: { agents: readonly Agent[]; draining: boolean; signal: AbortSignal },
): Promise<string> {
  if (prompt.trim() === '') throw new CcliError('prompt_empty');
  if (prompt.includes('\0')) throw new CcliError('prompt_has_nul');
  if (draining) throw new CcliError('draining');
  const agent = choose(agents);
  const release = agent.take();
  try {
    const end = await runBriefly(agent.driver, { name: 'ask', prompt, limit_ms: TIMEOUT_MS, signal });
    await agent.learn(end);
    if (end.cut) return `${end.text}\n[cut: the answer is longer than this door; use ccli run]`;
    if (end.failure !== undefined) throw told(end.failure);
    return end.text;
  } finally {
    release();
  }
}

const told = (failure: CcliError): CcliError =>
  failure.code === 'task_timeout'
    ? new CcliError('task_timeout', `${failure.message} Use \`ccli run\`.`, { cause: failure.cause })
    : failure;

function choose(agents: readonly Agent[]): Agent {
  const statuses = agents.map(agent => ({ agent, status: agent.status() }));
  const well = statuses.filter(({ status }) => status.enabled && status.health === 'ready');
  const ready = well.filter(({ status }) => restOf(status) === undefined);
  const free = ready.find(({ status }) => status.running < status.max_concurrent);
  if (free !== undefined) return free.agent;
  if (ready.length > 0) throw new CcliError('slots_taken');
  const resting = well.map(({ status }) => restOf(status)).filter(rest => rest !== undefined);
  const [first] = resting.sort((a, b) => (a.retry_after_ms ?? 0) - (b.retry_after_ms ?? 0));
  if (first !== undefined) throw first;
  const problem = statuses.map(({ status }) => status.problem).find(found => found !== undefined);
  if (problem !== undefined) throw new CcliError(problem.code, problem.message);
  throw new CcliError(statuses.length === 0 ? 'no_agents' : 'agent_starting');
}
