/**
 * The `.verify` door: the compatibility suite through the agent's own driver, or through one made for another of its
 * executables. It asks neither for the right version nor for an agent that is enabled: it is what is done before.
 */
import type { VerifyReply, VerifyRequest } from '../../protocol/control.ts';
import { withinTime } from '../../protocol/daemon/limited-signal.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Agent } from '../agent.ts';
import { runBriefly } from '../briefly.ts';
import { restOf } from '../core/admission.ts';
import { isCooldownCode } from '../core/cooldown.ts';
import type { Driver, Probe } from '../drivers/driver.ts';
import type { Roster } from '../roster.ts';
import { notBegun, runSuite } from './suite.ts';

/** All prompts one after another, and the start of the tool, stay within what a caller waits for. */
const PROMPT_LIMIT_MS = 70_000;
/** A model may have to be loaded for the first one. */
const FIRST_PROMPT_LIMIT_MS = 150_000;
const SLOT_PATIENCE_MS = 30_000;

export interface Verifier {
  /**
   * @throws CcliError `agent_unknown`; `not_permitted` for a command that is not one of the agent's `alternatives`;
   *   `draining`, `slots_taken`, or the agent's cooldown
   */
  verify(request: VerifyRequest): Promise<VerifyReply>;
}

interface VerifierOptions {
  readonly roster: Roster;
  readonly draining: () => boolean;
  readonly signal: AbortSignal;
}

export function createVerifier({ roster, draining, signal }: VerifierOptions): Verifier {
  /** Several at once would spend model calls on the same answer. */
  const underWay = new Set<string>();

  const suite = async (agent: Agent, learning: Agent | undefined): Promise<VerifyReply> => {
    const agent_id = agent.config.id;
    const found = await probed(agent.driver, signal);
    if (found instanceof CcliError) return { agent_id, passed: false, checks: notBegun(found) };
    let limit_ms = FIRST_PROMPT_LIMIT_MS;
    const checks = await runSuite({
      agent: agent.config,
      async run(prompt, over) {
        const end = await runBriefly(agent.driver, {
          name: 'verify',
          prompt,
          limit_ms,
          signal,
          ...over,
        });
        limit_ms = PROMPT_LIMIT_MS;
        // What a check brings about says nothing of the agent; what the service asks for is asked of all its tasks.
        if (end.failure !== undefined && isCooldownCode(end.failure.code)) await learning?.learn(end);
        return end;
      },
    });
    return {
      agent_id,
      ...(found.cli_version !== undefined && { cli_version: found.cli_version.slice(0, 255) }),
      passed: checks.every(({ outcome }) => outcome !== 'failed'),
      checks,
    };
  };

  const run = async (agent: Agent, command: string | undefined): Promise<VerifyReply> => {
    const rest = restOf(agent.status());
    if (rest !== undefined) throw rest;
    const { config } = agent;
    if (command === undefined) {
      const release = await agent.takeWithin(SLOT_PATIENCE_MS, signal);
      try {
        return await suite(agent, agent);
      } finally {
        // A driver may hold against the tool what a check has brought about.
        await agent.probe(signal);
        release();
      }
    }
    if (config.agent_type === 'ollama' || !config.alternatives.includes(command)) {
      throw new CcliError(
        'not_permitted',
        `The file of this node does not permit ${command} for agent "${config.id}"; add it to the agent's \`alternatives\` there.`,
      );
    }
    return await roster.lend({ ...config, command }, lent => suite(lent, agent));
  };

  return {
    async verify({ agent_id, command }) {
      const agent = roster.agents.get(agent_id);
      if (agent === undefined) throw new CcliError('agent_unknown', `This node has no agent "${agent_id}".`);
      if (draining()) throw new CcliError('draining');
      if (underWay.has(agent_id))
        throw new CcliError('slots_taken', `Agent "${agent_id}" is being verified already; wait for that.`);
      underWay.add(agent_id);
      try {
        return await run(agent, command);
      } finally {
        underWay.delete(agent_id);
      }
    },
  };
}

const PROBE_LIMIT_MS = 90_000;

async function probed(driver: Driver, signal: AbortSignal): Promise<Probe | CcliError> {
  try {
    const late = (): CcliError =>
      new CcliError('cli_silent', `The tool was not ready within ${PROBE_LIMIT_MS / 1000} s.`);
    return await withinTime(limited => driver.probe(limited), {
      limit_ms: PROBE_LIMIT_MS,
      late,
      signals: [signal],
    });
  } catch (error) {
    return error instanceof CcliError
      ? error
      : new CcliError('cli_silent', 'The tool could not be made ready.', { cause: error });
  }
}
