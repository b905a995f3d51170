/**
 * How a daemon comes by its state directory when something works there already: another daemon keeps it, a stand-in is
 * asked to make way. It then takes nothing new, lets what runs finish, and goes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lock } from '../../protocol/daemon/lock.ts';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { lockNext, lockState, stateHolder, stateSilent } from '../state-directory.ts';
import { askToWindUp, roleOfHolder } from './holder.ts';

interface TakeOverOptions {
  readonly directory: string;
  /** Called once, when there is a stand-in to wait for; what it does may take long. */
  readonly onWaiting: () => void;
  readonly log: Log;
  readonly patience_ms?: number;
}

/** How long somebody who works there may be silent, as one is that has only just begun, or ends its tools as it goes. */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 100;

/**
 * @throws CcliError `state_in_use` when another daemon works there, or waits to; `start_failed` when it is not known who
 *   does, since nobody answers; `config_invalid`
 */
export async function takeOver(options: TakeOverOptions): Promise<Lock> {
  const { directory, log, patience_ms = PATIENCE_MS } = options;
  let next: Lock | undefined;
  let last_sign = performance.now();
  try {
    for (;;) {
      try {
        return await lockState(directory);
      } catch (error) {
        if (!(error instanceof CcliError) || error.code !== 'state_in_use') throw error;
        const role = await roleOfHolder(directory);
        if (role === 'daemon') throw error;
        if (role === undefined && performance.now() - last_sign > patience_ms)
          throw await holderSilent(directory, error);
        if (role === 'stand_in') {
          if (next === undefined) {
            next = await lockNext(directory);
            log.info('waiting_for_stand_in', { pid: (await stateHolder(directory))?.pid });
            options.onWaiting();
          }
          // Resolves when it has closed its socket, which is shortly before it goes.
          const how = await askToWindUp(directory);
          if (how === 'silent')
            log.warn('stand_in_silent', errorFields(await holderSilent(directory, error)));
          last_sign = performance.now();
        }
      }
      await delay(PAUSE_MS);
    }
  } finally {
    await next?.release();
  }
}

/** One that hangs may go on, or may be ended by somebody: whoever starts us again then finds the directory free. */
async function holderSilent(directory: string, inUse: CcliError): Promise<CcliError> {
  const holder = await stateHolder(directory);
  return holder === undefined ? inUse : stateSilent(directory, holder.pid);
}
