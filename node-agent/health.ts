/**
 * What is known of an agent's set-up, from probes and from runs.
 *
 *     starting ──probe ok──> ready ──probe fails, or a run shows that the set-up is wrong──> unavailable
 *                              ^──────────────────────probe ok────────────────────────────────┘
 *
 * A refused key looks well to a probe, which asks no model: only a run that succeeds, or time, makes it ready again.
 */
import { type AgentStatus, MAX_TERM_CHARS } from '../protocol/agent.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Driver, Probe } from './drivers/driver.ts';

export interface Health {
  readonly state: AgentStatus['health'];
  readonly problem: CcliError | undefined;
  /** By the last probe that found anything. */
  readonly found: Probe;
  /** Looks at the tool afresh. Never rejects: what is wrong shows in `problem`. */
  probe(signal: AbortSignal): Promise<void>;
  /** A run has shown that no other run can succeed until somebody mends the set-up. */
  distrust(error: CcliError): void;
  /** A run has succeeded. */
  trust(): void;
}

interface HealthOptions {
  readonly agent_id: string;
  readonly driver: Driver;
  readonly log: Log;
  readonly onChange: () => void;
  readonly clock: () => number;
}

/** How long a refused key is not tried again. */
const REFUSAL_HOLD_MS = 60_000;

const denies = ({ code }: CcliError): boolean => code === 'cli_not_signed_in' || code === 'auth_refused';

export function createHealth({ agent_id, driver, log, onChange, clock }: HealthOptions): Health {
  let state: AgentStatus['health'] = 'starting';
  let problem: CcliError | undefined;
  let found: Probe = { signed_in: 'unknown' };
  let refused: { readonly error: CcliError; readonly until: number } | undefined;

  const become = (next: AgentStatus['health'], why: CcliError | undefined): void => {
    if (next === state && why?.message === problem?.message) return;
    state = next;
    problem = why;
    if (why === undefined) log.info('agent_ready', { agent_id, ...found });
    else log.warn('agent_unavailable', { agent_id, ...errorFields(why) });
    onChange();
  };

  const distrust = (shown_to_its_caller: CcliError): void => {
    const error = withoutWords(shown_to_its_caller);
    if (denies(error)) found = { ...found, signed_in: 'no' };
    if (error.code === 'auth_refused') refused = { error, until: clock() + REFUSAL_HOLD_MS };
    become('unavailable', error);
  };

  const learn = (probe: Probe): void => {
    const before = found;
    found = clipped(probe);
    if (refused !== undefined && clock() < refused.until) {
      found = { ...found, signed_in: 'no' };
      become('unavailable', refused.error);
    } else {
      refused = undefined;
      become('ready', undefined);
    }
    if (shown(before) !== shown(found)) onChange();
  };

  return {
    get state() {
      return state;
    },
    get problem() {
      return problem;
    },
    get found() {
      return found;
    },
    distrust,
    trust() {
      if (refused === undefined) return;
      refused = undefined;
      if (problem?.code !== 'auth_refused') return;
      found = { ...found, signed_in: 'yes' };
      become('ready', undefined);
    },
    async probe(signal) {
      try {
        learn(await driver.probe(signal));
      } catch (error) {
        if (signal.aborted) return;
        const why =
          error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error });
        if (denies(why)) found = { ...found, signed_in: 'no' };
        become('unavailable', why);
      }
    },
  };
}

/** What a tool said in a run may quote the run's prompt, which is for nobody but its caller. */
const withoutWords = ({ code, message }: CcliError): CcliError =>
  new CcliError(code, code === 'auth_refused' ? undefined : message);

/** Whatever a tool says of itself, it fits the wire. */
const clipped = ({ cli_version, loaded_models, ...rest }: Probe): Probe => ({
  ...rest,
  ...(cli_version !== undefined && { cli_version: cli_version.slice(0, MAX_TERM_CHARS) }),
  ...(loaded_models !== undefined && {
    loaded_models: loaded_models.filter(model => model.length <= MAX_TERM_CHARS),
  }),
});

/** What is worth an advert of its own; how much memory is free changes all the time. */
const shown = ({ cli_version, cli_path, loaded_models }: Probe): string =>
  JSON.stringify([cli_version, cli_path, loaded_models]);
