/** One short prompt through an agent, to see that it answers. It holds a slot, and counts like any other run. */
import type { AgentStatus } from '../protocol/agent.ts';
import { CcliError, fromErrorBody } from '../protocol/errors.ts';
import type { Agent } from './agent.ts';
import { runBriefly } from './briefly.ts';
import { restOf } from './core/admission.ts';

const PROMPT = 'Reply with the single word OK.';
/** With the look before it, which may have to start the tool, it stays within what a registration waits for. */
const CLI_LIMIT_MS = 80_000;
/** A look at a server takes no time, and its model may have to be loaded. */
const OLLAMA_LIMIT_MS = 135_000;
const SLOT_PATIENCE_MS = 10_000;

/** Why it failed, or was not sent at all; undefined when it was answered. Never rejects. */
export async function sendCanary(
  agent: Agent,
  status: AgentStatus,
  signal: AbortSignal,
): Promise<CcliError | undefined> {
  const hindrance = hindranceOf(status);
  if (hindrance !== undefined) return hindrance;
  let release: () => void;
  try {
    release = await agent.takeWithin(SLOT_PATIENCE_MS, signal);
  } catch (error) {
    return error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error });
  }
  try {
    const end = await runBriefly(agent.driver, {
      name: 'canary',
      prompt: PROMPT,
      limit_ms: agent.config.agent_type === 'ollama' ? OLLAMA_LIMIT_MS : CLI_LIMIT_MS,
      signal,
    });
    await agent.learn(end);
    return end.failure;
  } finally {
    release();
  }
}

/** Why it would be in vain. A key that was refused may have been mended: only a run can tell. */
function hindranceOf(status: AgentStatus): CcliError | undefined {
  const { problem } = status;
  if (problem !== undefined && problem.code !== 'auth_refused') return fromErrorBody(problem);
  return restOf(status);
}
