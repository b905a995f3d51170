/**
 * Each agent's tool, looked at with the node's own code: found, of the version wanted, under the Node wanted, signed in.
 * Whatever it needs on disk is made in a directory of its own, so that a daemon at work is not met.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Check } from '../../protocol/daemon/checks.ts';
import { withinTime } from '../../protocol/daemon/limited-signal.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { failure, ok, type Verdict, warn } from '../../protocol/finding.ts';
import type { AgentConfig } from '../agent-config/agent.ts';
import type { NodeConfig } from '../config.ts';
import { mismatch } from '../core/version.ts';
import { createDriver } from '../drivers/create.ts';
import type { Probe } from '../drivers/driver.ts';
import { type CheckContext, configOf } from './context.ts';

const LIMIT_MS = 45_000;
/** A gemini takes a quarter of a gigabyte while it is looked at. */
const AT_ONCE = 2;

export const agentsCheck: Check<CheckContext> = {
  id: 'agent',
  title: 'the tools of the agents',
  // Each has a limit of its own.
  limit_ms: 600_000,
  needs: ['config'],
  async run(context, signal) {
    const config = configOf(context);
    if (config.agents.length === 0)
      return [
        warn('The configuration names no agents.', 'Name some, or register Ollama models on this node.'),
      ];
    const state_dir = await mkdtemp(join(tmpdir(), 'ccli-check-'));
    try {
      const apart = { ...config, state_dir };
      const waiting = config.agents.map((agent, index) => ({ agent, index }));
      const found = new Map<number, Verdict>();
      const lane = async (): Promise<void> => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
          found.set(next.index, await lookAt(next.agent, apart, signal));
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
      return [...found].sort(([one], [other]) => one - other).map(([, verdict]) => verdict);
    } finally {
      await rm(state_dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  },
};

/** Rejects only when `signal` aborts. */
async function lookAt(agent: AgentConfig, config: NodeConfig, signal: AbortSignal): Promise<Verdict> {
  const agent_id = agent.id;
  const began = performance.now();
  const log = createLog({ level: 'silent', name: 'check' });
  try {
    const driver = createDriver({ agent, config, log });
    try {
      const probe = await withinTime(limited => driver.probe(limited), {
        limit_ms: LIMIT_MS,
        signals: [signal],
        late: () => new CcliError('cli_silent', `The CLI did not get ready within ${LIMIT_MS / 1_000} s.`),
      });
      return judgeProbe(agent, probe, performance.now() - began);
    } finally {
      await driver.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    return failure(error, { agent_id });
  }
}

const SIGNED_IN = {
  yes: 'signed in',
  no: 'not signed in',
  unknown: 'whether it is signed in only a prompt tells',
} as const;

export function judgeProbe(agent: AgentConfig, probe: Probe, took_ms: number): Verdict {
  const { cli_version, node_version, cli_path, signed_in } = probe;
  const pinned = agent.agent_type === 'ollama' ? undefined : agent.expected_version;
  const wrong = mismatch(cli_version, pinned === undefined ? {} : { file: pinned });
  if (wrong !== undefined) return failure(wrong, { agent_id: agent.id });
  const is_ollama = agent.agent_type === 'ollama';
  const parts = [
    is_ollama
      ? `Ollama ${cli_version ?? ''} at ${agent.endpoint}`
      : `${agent.agent_type} ${cli_version ?? '(of an unknown version)'}`,
    cli_path,
    node_version === undefined ? undefined : `under Node ${node_version.replace(/^v/, '')}`,
    is_ollama ? agent.model : SIGNED_IN[signed_in],
  ];
  return ok(`${parts.filter(part => part !== undefined).join(', ')}.`, { agent_id: agent.id, took_ms });
}
