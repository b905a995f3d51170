/**
 * One agent of this node: its driver, its slots, its health, its pauses, how it did lately, and the terms on which it
 * is offered. A version other than the one it is pinned to makes it unavailable for as long as both are so.
 */
import type { AgentStatus } from '../protocol/agent.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { type CcliError, type ErrorCode, toErrorBody } from '../protocol/errors.ts';
import type { AgentSettings } from '../protocol/registration.ts';
import type { AgentConfig } from './agent-config/agent.ts';
import type { Cooling } from './cooling.ts';
import { termsWithin } from './core/ceilings.ts';
import { type EndedRun, NO_RUNS, summary, withRun } from './core/recent.ts';
import { mismatch, type Pins, shownPin } from './core/version.ts';
import type { Driver } from './drivers/driver.ts';
import { createHealth } from './health.ts';
import { loadedNow, modelsOf } from './models.ts';
import { createSlots, type Slots } from './slots.ts';

export interface Agent {
  /** As it was last applied. */
  readonly config: AgentConfig;
  readonly driver: Driver;
  /** For the agent that takes its place. */
  readonly slots: Slots;
  status(): AgentStatus;
  /** The status it would have with other settings. */
  statusWith(settings: AgentSettings): AgentStatus;
  /** Takes a slot; the function it returns gives it back, once. */
  take(): () => void;
  /**
   * Takes one as soon as one is free, for what an operator asks for: an agent that is given no slots has one for that.
   *
   * @throws CcliError `slots_taken`
   */
  takeWithin(patience_ms: number, signal: AbortSignal): Promise<() => void>;
  /** Resolves as soon as no slot is taken. */
  unused(): Promise<void>;
  /** Looks at the tool afresh. Never rejects: what is wrong shows in the status. */
  probe(signal: AbortSignal): Promise<void>;
  /**
   * How a run ended, whatever that says of the agent. Resolves once a cooldown that follows from it is on disk as
   * well. Never rejects.
   */
  learn(run: EndedRun & { readonly failure?: CcliError | undefined }): Promise<void>;
  /**
   * Narrows what the node's file allows; an absent field means the file's own value. `as` is what its driver may change
   * while it runs: runs that have begun end as they are.
   */
  apply(settings: AgentSettings, as?: AgentConfig): void;
}

/** Failures that speak of the agent, not of the task that met them. */
const SETUP_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'cli_missing',
  'cli_not_signed_in',
  'auth_refused',
  'node_version_missing',
  'endpoint_unreachable',
]);

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly driver: Driver;
  /** Its pauses, which may be those of an agent before it that asked the same service. */
  readonly cooling: Cooling;
  /** Of an agent of its id that takes nothing any more: what runs there still counts here. */
  readonly slotsBefore?: Slots | undefined;
  readonly log: Log;
  readonly onChange: () => void;
  /** Of the GPUs its model runs on, where the tool itself does not tell. */
  readonly gpuMemory?: () => AgentStatus['gpu_memory'];
  /** Monotonic, in milliseconds. */
  readonly clock?: () => number;
}

export function createAgent({
  driver,
  cooling,
  slotsBefore,
  gpuMemory = () => undefined,
  clock = () => performance.now(),
  ...options
}: AgentOptions): Agent {
  const { onChange } = options;
  let { config } = options;
  const agent_id = config.id;
  const models = modelsOf(config);
  const health = createHealth({ ...options, agent_id, driver, clock });
  const slots = createSlots(onChange, slotsBefore);
  let settings: AgentSettings = {};
  let window = NO_RUNS;

  const condition = (pins: Pins): Pick<AgentStatus, 'health' | 'problem'> => {
    // What the driver knows already need not wait for the next probe.
    const problem = health.problem ?? driver.problem;
    const why = problem ?? (health.state === 'ready' ? mismatch(health.found.cli_version, pins) : undefined);
    if (why === undefined) return { health: health.state };
    return { health: health.state === 'ready' ? 'unavailable' : health.state, problem: toErrorBody(why) };
  };

  const statusWith: Agent['statusWith'] = wanted => {
    const { pins, ...terms } = termsWithin(config, wanted);
    const { cli_version, node_version, cli_path, node_path, ...found } = health.found;
    const { signed_in, loaded_models, gpu_memory = gpuMemory() } = found;
    const expected_version = shownPin(pins, cli_version);
    const recent = summary(window, clock());
    return {
      agent_id,
      agent_type: config.agent_type,
      driver: config.driver,
      ...(config.model !== undefined && { model: config.model }),
      ...(models !== undefined && { models }),
      ...terms,
      running: slots.taken,
      ...condition(pins),
      ...(driver.standingIn !== undefined && { fallback_driver: driver.standingIn }),
      ...(cli_version !== undefined && { cli_version }),
      ...(expected_version !== undefined && { expected_version }),
      ...(node_version !== undefined && { node_version }),
      ...(cli_path !== undefined && { cli_path }),
      ...(node_path !== undefined && { node_path }),
      signed_in,
      warm: driver.warm,
      tool_policy: config.tool_policy,
      timeout_ms: config.timeout,
      max_prompt_bytes: config.max_prompt,
      ...cooling.status(),
      ...(config.agent_type === 'ollama' && { endpoint: config.endpoint }),
      ...(loaded_models !== undefined && { loaded_models: loadedNow(config, loaded_models, driver.warm) }),
      ...(gpu_memory !== undefined && { gpu_memory }),
      ...(recent !== undefined && { recent }),
    };
  };

  const isSetupFault = ({ code }: CcliError, { own_model = false }: EndedRun): boolean =>
    SETUP_FAULTS.has(code) ||
    // Its model is all that such an agent has.
    (code === 'model_not_found' && config.agent_type === 'ollama' && !own_model);

  return {
    get config() {
      return config;
    },
    driver,
    slots,
    status: () => statusWith(settings),
    statusWith,
    take: () => slots.take(),
    takeWithin: (patience_ms, signal) =>
      slots.takeWithin(patience_ms, () => Math.max(termsWithin(config, settings).max_concurrent, 1), signal),
    unused: () => slots.free(),
    probe: signal => health.probe(signal),
    async learn(run) {
      const { failure } = run;
      window = withRun(window, run, clock());
      if (failure === undefined) {
        health.trust();
        cooling.succeeded();
        return;
      }
      if (isSetupFault(failure, run)) health.distrust(failure);
      await cooling.failed(failure);
    },
    apply(next, as = config) {
      if (as !== config) driver.reconfigure?.(as);
      config = as;
      settings = next;
      onChange();
    },
  };
}
