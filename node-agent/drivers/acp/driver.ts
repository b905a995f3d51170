/** Agents whose CLI speaks the Agent Client Protocol: a warm process takes all of an agent's tasks. */
import type { ToolPolicy } from '../../../protocol/agent.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { presetOf } from '../../presets/effective.ts';
import type { Dialect } from '../../presets/preset.ts';
import { presetAnnouncing } from '../../presets/table.ts';
import type { Driver, DriverResult, DriverTask, RunCallbacks } from '../driver.ts';
import { type DriverOptions, runningOn, signInOf, startModel } from '../launch.ts';
import { createPool, type Pool } from './pool.ts';
import { runTurn } from './turn.ts';

/** What tests set, and nobody else needs to. */
export interface AcpTuning {
  /** A CLI that is not signed in may never answer its first request. */
  readonly initialize_timeout_ms?: number;
  readonly cancel_grace_ms?: number;
  /** How long a process may take to answer when it is asked whether it still does. */
  readonly patience_ms?: number;
}

interface AcpDriverOptions extends DriverOptions, AcpTuning {
  /** Answers whether the process is to be started again at once. */
  readonly onCrash: (reason: CcliError) => boolean;
}

interface WarmCallbacks extends RunCallbacks {
  /** The task has its session; until then, nothing of it has happened. */
  readonly onBegin: () => void;
}

export interface WarmDriver extends Omit<Driver, 'run'> {
  run(task: DriverTask, callbacks: WarmCallbacks, signal: AbortSignal): Promise<DriverResult>;
}

const INITIALIZE_TIMEOUT_MS = 60_000;

export function createAcpDriver(options: AcpDriverOptions): WarmDriver {
  const { agent, initialize_timeout_ms = INITIALIZE_TIMEOUT_MS, cancel_grace_ms } = options;
  // A policy is part of how a process is started: tasks that narrow the agent's own get a process of theirs.
  const pools = new Map<ToolPolicy, Pool>();
  let refused = false;

  const preset = presetOf(agent);
  /** A CLI that says its name is read as what it is, whatever type the agent is said to be of. */
  const dialectOf = (name: string | undefined): Dialect => (preset ?? presetAnnouncing(name))?.dialect ?? {};

  const poolFor = (policy: ToolPolicy): Pool => {
    const pool =
      pools.get(policy) ??
      createPool({ ...options, policy, keep: policy === agent.tool_policy, initialize_timeout_ms });
    pools.set(policy, pool);
    return pool;
  };

  return {
    get warm() {
      return pools.get(agent.tool_policy)?.warm === true;
    },
    async probe(signal) {
      const member = await poolFor(agent.tool_policy).ensure(signal);
      const signed_in = await signInOf(options);
      return {
        ...(member.cli_version !== undefined && { cli_version: member.cli_version }),
        ...runningOn(member.executable),
        signed_in: refused ? 'no' : signed_in,
      };
    },
    async run(task, callbacks, signal) {
      const lease = await poolFor(task.tool_policy).lease(signal);
      if (!signal.aborted) callbacks.onActivity?.();
      callbacks.onBegin();
      try {
        const judged = await runTurn(
          {
            connection: lease.member.connection,
            session: lease.session,
            task,
            model: task.model === startModel(agent) ? undefined : task.model,
            dialect: dialectOf(lease.member.connection.announced.name),
            callbacks,
            ...(cancel_grace_ms !== undefined && { cancel_grace_ms }),
          },
          signal,
        );
        refused = false;
        const model = judged.model ?? task.model ?? startModel(agent);
        return { ...judged, ...(model !== undefined && { model }), warm: lease.warm };
      } catch (error) {
        if (error instanceof CcliError && error.code === 'auth_refused') refused = true;
        throw error;
      } finally {
        lease.release();
      }
    },
    async close() {
      await Promise.all([...pools.values()].map(pool => pool.close()));
    },
  };
}
