/** An agent's pauses: what its model service asked for, kept on disk, and told when it is over. */
import type { AgentStatus } from '../protocol/agent.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { CcliError } from '../protocol/errors.ts';
import type { CooldownFile, RestoredCooldown } from './cooldown-file.ts';
import { coolDown, NO_COOLDOWN, remaining, succeeded } from './core/cooldown.ts';

export interface Cooling {
  status(): Pick<AgentStatus, 'cooldown_ms' | 'cooldown_code'>;
  succeeded(): void;
  /** Resolves once a pause that follows from it is on disk as well. Never rejects. */
  failed(error: CcliError): Promise<void>;
}

export interface CoolingOptions {
  readonly agent_id: string;
  /** Where cooldowns are kept, and what the last life left there. */
  readonly cooldowns?: Pick<CooldownFile, 'save'>;
  readonly restored?: RestoredCooldown | undefined;
  /** The agent is no more: nothing is told or kept from then on. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly onChange: () => void;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function createCooling({
  agent_id,
  cooldowns,
  restored,
  signal,
  log,
  onChange,
  clock,
}: CoolingOptions): Cooling {
  let state =
    restored === undefined
      ? NO_COOLDOWN
      : { ...NO_COOLDOWN, last: { code: restored.code, until: clock() + restored.remaining_ms } };
  let timer: NodeJS.Timeout | undefined;

  /** Tells of the end when it comes. */
  const watch = (): void => {
    clearTimeout(timer);
    const rest = remaining(state, clock());
    if (rest === undefined || signal.aborted) return;
    timer = setTimeout(
      () => {
        if (remaining(state, clock()) === undefined) {
          log.info('cooldown_over', { agent_id });
          onChange();
        } else watch();
      },
      Math.min(rest.ms, LONGEST_TIMER_MS),
    );
  };
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
  });
  watch();

  return {
    status() {
      const rest = remaining(state, clock());
      return rest === undefined ? {} : { cooldown_ms: rest.ms, cooldown_code: rest.code };
    },
    succeeded() {
      state = succeeded(state);
    },
    async failed(error) {
      const before = state.last;
      state = coolDown(state, error, clock());
      const rest = remaining(state, clock());
      if (rest === undefined || state.last === before || signal.aborted) return;
      log.warn('cooldown', { agent_id, code: rest.code, cooldown_ms: rest.ms });
      watch();
      onChange();
      try {
        await cooldowns?.save({ code: rest.code, remaining_ms: rest.ms });
      } catch (failure) {
        // It holds as long as the daemon lives.
        log.error('cooldown_not_stored', { agent_id, ...errorFields(failure) });
      }
    },
  };
}
