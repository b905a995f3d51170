/**
 * How a daemon comes by its state directory when something works there already: another daemon keeps it, a stand-in is
 * asked to make way. It then takes nothing new, lets what runs finish, and goes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lock } from '../../protocol/daemon/lock.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { lockNext, lockState } from '../state-directory.ts';
import { askToWindUp, roleOfHolder } from './holder.ts';

interface TakeOverOptions {
  readonly directory: string;
  /** Called once, when there is a stand-in to wait for; what it does may take long. */
  readonly onWaiting: () => void;
  readonly log: Log;
  readonly patience_ms?: number;
}

/** How long somebody who works there may be silent, as one is that has only just begun. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 100;

/** @throws CcliError `state_in_use` when another daemon works there, or waits to; `config_invalid` */
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
        if (role === undefined && performance.now() - last_sign > patience_ms) throw error;
        if (role === 'stand_in') {
          if (next === undefined) {
            next = await lockNext(directory);
            log.info('waiting_for_stand_in');
            options.onWaiting();
          }
          // Resolves when it has closed its socket, which is shortly before it goes.
          await askToWindUp(directory);
          last_sign = performance.now();
        }
      }
      await delay(PAUSE_MS);
    }
  } finally {
    await next?.release();
  }
}
