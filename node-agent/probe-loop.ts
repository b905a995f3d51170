/** Looks at an agent again and again: at once, then every so often, more often while something is wrong. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from './agent.ts';

const LOOK_INTERVAL_MS = 10_000;
/** A CLI that is well stays so; which models a server has in memory changes without us. */
const WELL_CLI_INTERVAL_MS = 60_000;

/** Resolves once `signal` has aborted. Never rejects. */
export async function keepProbing(agent: Agent, signal: AbortSignal): Promise<void> {
  for (let last = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
    if (isDue(agent, performance.now() - last)) {
      await agent.probe(signal);
      last = performance.now();
    }
    // An abort only ends the pause.
    await delay(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}

const isDue = (agent: Agent, ago_ms: number): boolean =>
  agent.config.agent_type === 'ollama' || agent.status().health !== 'ready' || ago_ms >= WELL_CLI_INTERVAL_MS;
