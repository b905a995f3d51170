/**
 * An agent's warm driver, and what happens when its process keeps crashing: the cold driver stands in for a while, or,
 * where there is none, tasks are refused by a code. After each pause the warm one gets a trial in the background.
 */

import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import {
  afterFailure,
  afterSuccess,
  BREAKER_LIMITS,
  type Breaker,
  type BreakerLimits,
  beginTrial,
  CLOSED,
  passTrial,
} from '../core/breaker.ts';
import type { WarmDriver } from './acp/driver.ts';
import { createBackground } from './background.ts';
import type { Driver, DriverResult, DriverTask, RunCallbacks } from './driver.ts';

interface FailoverOptions {
  readonly log: Log;
  /** `onCrash` is to be called for each process that crashed, hung, or did not start; it answers whether to go on. */
  readonly makeWarm: (onCrash: (reason: CcliError) => boolean) => WarmDriver;
  /** What stands in; absent for a CLI that has no other mode. */
  readonly cold: Driver | undefined;
  readonly limits?: BreakerLimits | undefined;
}

/** Processes that a task may see die before its prompt has gone out to one. */
const MOST_STARTS = 3;

export function createFailoverDriver({
  log,
  makeWarm,
  cold,
  limits = BREAKER_LIMITS,
}: FailoverOptions): Driver {
  const closing = new AbortController();
  const background = createBackground(log, closing.signal);
  let breaker: Breaker = CLOSED;
  let reason: CcliError | undefined;
  let timer: NodeJS.Timeout | undefined;

  const crashed = (why: CcliError): boolean => {
    // A CLI that is missing or not signed in is not mended by waiting, nor by starting it another way.
    if (why.code !== 'cli_crashed' || closing.signal.aborted || breaker.phase === 'open') return false;
    const now = performance.now();
    breaker = afterFailure(breaker, now, limits);
    if (breaker.phase !== 'open') return true;
    reason = why;
    const pause_ms = Math.ceil(breaker.until - now);
    log.warn('cli_set_aside', { pause_ms, stands_in: cold !== undefined, ...errorFields(why) });
    timer = setTimeout(() => {
      background.start('cli_trial_failed', tryWarm());
    }, pause_ms);
    return false;
  };

  const tryWarm = async (): Promise<void> => {
    breaker = beginTrial(breaker);
    try {
      await warm.probe(closing.signal);
      log.info('cli_taken_back');
    } finally {
      // Another crash has opened it again by now; any other failure is the probe's to tell.
      breaker = passTrial(breaker);
    }
  };

  const warm = makeWarm(crashed);
  const aside = (): boolean => breaker.phase !== 'closed';

  const problem = (): CcliError | undefined => {
    if (!aside() || cold !== undefined) return undefined;
    const retry_after_ms = breaker.phase === 'open' ? Math.max(breaker.until - performance.now(), 0) : 0;
    return new CcliError(
      'cli_crashed',
      'The CLI keeps crashing and is left alone for a while; look at the log of its node-agent.',
      { cause: reason, retry_after_ms },
    );
  };

  /** An error that is returned came before anything of the task had happened: it may be tried anew. */
  async function runWarm(
    task: DriverTask,
    callbacks: RunCallbacks,
    signal: AbortSignal,
  ): Promise<DriverResult | CcliError> {
    const state = { begun: false };
    const onBegin = (): void => {
      state.begun = true;
    };
    try {
      const result = await warm.run(task, { ...callbacks, onBegin }, signal);
      breaker = afterSuccess(breaker);
      return result;
    } catch (error) {
      if (signal.aborted || closing.signal.aborted || !(error instanceof CcliError)) throw error;
      if (error.code === 'cli_crashed' && !state.begun) return error;
      // A process that hands on what the model's service says is well.
      if (error.code !== 'cli_crashed' && state.begun) breaker = afterSuccess(breaker);
      throw error;
    }
  }

  /** In a process for this task alone, which says nothing about the warm one. */
  async function runCold(
    task: DriverTask,
    callbacks: RunCallbacks,
    signal: AbortSignal,
  ): Promise<DriverResult> {
    if (cold !== undefined) return cold.run(task, callbacks, signal);
    const own = makeWarm(() => false);
    try {
      const result = await own.run(task, { ...callbacks, onBegin: () => undefined }, signal);
      return { ...result, warm: false };
    } finally {
      await own.close();
    }
  }

  return {
    get warm() {
      return !aside() && warm.warm;
    },
    get standingIn() {
      return aside() && cold !== undefined ? 'headless' : undefined;
    },
    get problem() {
      return problem();
    },
    async probe(signal) {
      if (!aside()) return warm.probe(signal);
      if (cold === undefined) throw problem() ?? new CcliError('cli_crashed');
      return cold.probe(signal);
    },
    async run(task, callbacks, signal) {
      if (task.cold === true) return await runCold(task, callbacks, signal);
      let failure: CcliError | undefined;
      for (let starts = 0; starts < MOST_STARTS && !aside(); starts += 1) {
        const result = await runWarm(task, callbacks, signal);
        if (!(result instanceof CcliError)) return result;
        failure = result;
      }
      if (aside() && cold !== undefined) return cold.run(task, callbacks, signal);
      throw failure ?? problem() ?? new CcliError('cli_crashed');
    },
    async close() {
      closing.abort();
      clearTimeout(timer);
      await Promise.all([warm.close(), cold?.close()]);
      await background.ended();
    },
  };
}
