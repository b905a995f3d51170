/** Ends what is still being answered when the key it was let in with is revoked. */
import type { Context } from 'hono';
import { CcliError } from '../../../protocol/errors.ts';
import type { DoorEnv } from '../door.ts';
import type { Keys } from '../keys.ts';

/** For the refusal, or the last event of a stream, to go out; after that the connection is closed. */
const LAST_WORDS_MS = 1_000;

/** Until its answer is out, or the connection is gone. */
export function expelOnceRevoked(c: Context<DoorEnv>, keys: Keys, { key, caller }: KeyOf): void {
  const giveUp = c.get('give_up');
  const outgoing = outgoingOf(c.env);
  if (giveUp === undefined || outgoing === undefined) return;
  const signal = c.get('signal');
  let closing: NodeJS.Timeout | undefined;
  const forget = keys.watch(key, caller, () => {
    closing = setTimeout(() => outgoing.destroy(), LAST_WORDS_MS);
    giveUp(new CcliError('unauthorized', 'The API key was revoked; send another one.'));
  });
  // An answer that waits for its turn on a connection does not hear of its end.
  signal.addEventListener('abort', forget, { once: true });
  outgoing.once('close', () => {
    forget();
    clearTimeout(closing);
  });
}

interface KeyOf {
  readonly key: string;
  readonly caller: string;
}

const outgoingOf = (env: DoorEnv['Bindings'] | undefined): DoorEnv['Bindings']['outgoing'] => env?.outgoing;
