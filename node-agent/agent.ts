/**
 * One agent of this node: its driver, its slots and its health.
 *
 *     starting ──probe ok──> ready ──probe fails, or a run shows that the set-up is wrong──> unavailable
 *                              ^──────────────────────probe ok────────────────────────────────┘
 *
 * A refused key looks well to a probe, which asks no model: only a run that succeeds, or time, makes it ready again.
 * Beside its health, an agent may be cooling down: it is well, and its model service wants to be left alone.
 */
import { type AgentStatus, MAX_TERM_CHARS } from '../protocol/agent.ts';
import type { ConfigureRequest } from '../protocol/control.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError, type ErrorCode, toErrorBody } from '../protocol/errors.ts';
import type { AgentConfig } from './config.ts';
import type { CooldownFile, RestoredCooldown } from './cooldown-file.ts';
import { coolDown, NO_COOLDOWN, remaining, succeeded } from './core/cooldown.ts';
import type { Driver, Probe } from './drivers/driver.ts';

type Desired = ConfigureRequest['agents'][string];

export interface Agent {
  readonly config: AgentConfig;
  readonly driver: Driver;
  status(): AgentStatus;
  /** Takes a slot; the function it returns gives it back, once. */
  take(): () => void;
  /** Looks at the tool afresh. Never rejects: what is wrong shows in the status. */
  probe(signal: AbortSignal): Promise<void>;
  /** A run has shown that no other run can succeed until somebody mends the set-up. */
  distrust(error: CcliError): void;
  /** A run has succeeded. */
  trust(): void;
  /**
   * How a run ended, whatever that says of the agent. Resolves once a cooldown that follows from it is on disk as
   * well. Never rejects.
   */
  learn(failure: CcliError | undefined): Promise<void>;
  /** Narrows what the node's file allows; an absent field means the file's own value. */
  configure(desired: Desired | undefined): void;
}

/** Failures that speak of the agent, not of the task that met them. */
const SETUP_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'cli_missing',
  'cli_not_signed_in',
  'auth_refused',
  'node_version_missing',
]);

/** How long a refused key is not tried again. */
const REFUSAL_HOLD_MS = 60_000;

const isSetupFault = (error: CcliError): boolean => SETUP_FAULTS.has(error.code);

/** A tool that is told no model has only its own: a task that names another one would not get it. */
function modelsOf({ models, model, agent_type, args }: AgentConfig): string[] | undefined {
  if (models !== undefined || agent_type !== 'cli_generic') return models;
  return args.some(arg => arg.includes('{model}')) ? undefined : model === undefined ? [] : [model];
}

interface AgentOptions {
  readonly config: AgentConfig;
  readonly driver: Driver;
  readonly log: Log;
  readonly onChange: () => void;
  /** Where cooldowns are kept, and what the last life left there. */
  readonly cooldowns?: Pick<CooldownFile, 'save'>;
  readonly restored?: RestoredCooldown | undefined;
  /** Ends the agent's timer. */
  readonly signal: AbortSignal;
  /** Monotonic, in milliseconds. */
  readonly clock?: () => number;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function createAgent({
  config,
  driver,
  log,
  onChange,
  cooldowns,
  restored,
  signal: closing,
  clock = () => performance.now(),
}: AgentOptions): Agent {
  const models = modelsOf(config);
  let running = 0;
  let health: AgentStatus['health'] = 'starting';
  let problem: CcliError | undefined;
  let found: Probe = { signed_in: 'unknown' };
  let desired: Desired = {};
  let refused: { readonly error: CcliError; readonly until: number } | undefined;
  let cooling =
    restored === undefined
      ? NO_COOLDOWN
      : { ...NO_COOLDOWN, last: { code: restored.code, until: clock() + restored.remaining_ms } };
  let timer: NodeJS.Timeout | undefined;

  /** Tells of a cooldown's end when it comes. */
  const watchCooldown = (): void => {
    clearTimeout(timer);
    const rest = remaining(cooling, clock());
    if (rest === undefined || closing.aborted) return;
    timer = setTimeout(
      () => {
        if (remaining(cooling, clock()) === undefined) {
          log.info('cooldown_over', { agent_id: config.id });
          onChange();
        } else watchCooldown();
      },
      Math.min(rest.ms, LONGEST_TIMER_MS),
    );
  };
  closing.addEventListener('abort', () => {
    clearTimeout(timer);
  });
  watchCooldown();

  const startCooldown = async (error: CcliError): Promise<void> => {
    const before = cooling.last;
    cooling = coolDown(cooling, error, clock());
    const rest = remaining(cooling, clock());
    if (rest === undefined || cooling.last === before) return;
    log.warn('cooldown', { agent_id: config.id, code: rest.code, cooldown_ms: rest.ms });
    watchCooldown();
    onChange();
    try {
      await cooldowns?.save({ code: rest.code, remaining_ms: rest.ms });
    } catch (failure) {
      // It holds as long as the daemon lives.
      log.error('cooldown_not_stored', { agent_id: config.id, ...errorFields(failure) });
    }
  };

  const become = (next: AgentStatus['health'], why: CcliError | undefined): void => {
    if (next === health && why?.message === problem?.message) return;
    health = next;
    problem = why;
    if (why === undefined) log.info('agent_ready', { agent_id: config.id, ...found });
    else log.warn('agent_unavailable', { agent_id: config.id, ...errorFields(why) });
    onChange();
  };

  const trust = (): void => {
    if (refused === undefined) return;
    refused = undefined;
    if (problem?.code !== 'auth_refused') return;
    found = { ...found, signed_in: 'yes' };
    become('ready', undefined);
  };

  const distrust = (error: CcliError): void => {
    if (error.code === 'cli_not_signed_in' || error.code === 'auth_refused')
      found = { ...found, signed_in: 'no' };
    if (error.code === 'auth_refused') refused = { error, until: clock() + REFUSAL_HOLD_MS };
    become('unavailable', error);
  };

  const cooldownStatus = (): Pick<AgentStatus, 'cooldown_ms' | 'cooldown_code'> => {
    const rest = remaining(cooling, clock());
    return rest === undefined ? {} : { cooldown_ms: rest.ms, cooldown_code: rest.code };
  };

  const condition = (): Pick<AgentStatus, 'health' | 'problem'> => {
    // What the driver knows already need not wait for the next probe.
    const why = problem ?? driver.problem;
    if (why === undefined) return { health };
    return { health: health === 'ready' ? 'unavailable' : health, problem: toErrorBody(why) };
  };

  return {
    config,
    driver,
    trust,
    distrust,
    async learn(failure) {
      if (failure === undefined) {
        trust();
        cooling = succeeded(cooling);
        return;
      }
      if (isSetupFault(failure)) distrust(failure);
      await startCooldown(failure);
    },
    status: () => ({
      agent_id: config.id,
      agent_type: config.agent_type,
      driver: config.driver,
      specialty: config.specialty,
      ...(config.model !== undefined && { model: config.model }),
      ...(models !== undefined && { models }),
      labels: config.labels,
      priority: desired.priority ?? config.priority,
      max_concurrent: Math.min(desired.max_concurrent ?? config.max_concurrent, config.max_concurrent),
      running,
      enabled: desired.enabled ?? true,
      ...condition(),
      ...(driver.standingIn !== undefined && { fallback_driver: driver.standingIn }),
      ...(found.cli_version !== undefined && { cli_version: found.cli_version }),
      ...(found.node_version !== undefined && { node_version: found.node_version }),
      signed_in: found.signed_in,
      warm: driver.warm,
      tool_policy: config.tool_policy,
      timeout_ms: config.timeout,
      max_prompt_bytes: config.max_prompt,
      ...cooldownStatus(),
    }),
    take() {
      running += 1;
      onChange();
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        running -= 1;
        onChange();
      };
    },
    async probe(signal) {
      try {
        const { cli_version, ...probed } = await driver.probe(signal);
        found = {
          ...probed,
          ...(cli_version !== undefined && { cli_version: cli_version.slice(0, MAX_TERM_CHARS) }),
        };
        if (refused === undefined || clock() >= refused.until) {
          refused = undefined;
          become('ready', undefined);
          return;
        }
        found = { ...found, signed_in: 'no' };
        become('unavailable', refused.error);
      } catch (error) {
        if (signal.aborted) return;
        const why =
          error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error });
        if (why.code === 'cli_not_signed_in' || why.code === 'auth_refused')
          found = { ...found, signed_in: 'no' };
        become('unavailable', why);
      }
    },
    configure(next) {
      desired = next ?? {};
      onChange();
    },
  };
}
