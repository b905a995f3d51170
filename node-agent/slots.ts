/** The slots of one agent: who holds one, and who waits for one or for the last to be given back. */
import { CcliError } from '../protocol/errors.ts';

export interface Slots {
  /** With those that are still held of an agent of the same id from before. */
  readonly taken: number;
  /** Takes one, whatever the limit; the function it returns gives it back, once. */
  take(): () => void;
  /** Takes one as soon as fewer than `limit` are taken. @throws CcliError `slots_taken` after `patience_ms` */
  takeWithin(patience_ms: number, limit: () => number, signal: AbortSignal): Promise<() => void>;
  /** Resolves as soon as none of its own is taken. */
  free(): Promise<void>;
  /** Is called whenever one was given back. */
  onFreed(hear: () => void): void;
}

/** `before`: of the agent whose place this one takes, while something runs on it still. */
export function createSlots(onChange: () => void, before?: Slots): Slots {
  let own = 0;
  let others = before;
  const waiting = new Set<() => void>();
  const heirs: (() => void)[] = [];

  const taken = (): number => own + (others?.taken ?? 0);

  const freed = (): void => {
    if (others?.taken === 0) others = undefined;
    for (const look of [...waiting]) look();
    for (const hear of heirs) hear();
  };
  before?.onFreed(() => {
    onChange();
    freed();
  });

  const take = (): (() => void) => {
    own += 1;
    onChange();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      own -= 1;
      onChange();
      freed();
    };
  };

  /** Resolves once `condition` holds, in the moment in which it does: nobody else can come between. */
  const until = <T>(condition: () => T | undefined): Wait<T> => {
    let giveUp = (): void => undefined;
    const found = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const value = condition();
        if (value === undefined) return;
        waiting.delete(look);
        resolve(value);
      };
      giveUp = () => {
        waiting.delete(look);
        reject(new CcliError('slots_taken'));
      };
      waiting.add(look);
      look();
    });
    return { found, giveUp };
  };

  return {
    get taken() {
      return taken();
    },
    take,
    async takeWithin(patience_ms, limit, signal) {
      if (signal.aborted) throw new CcliError('slots_taken');
      const { found, giveUp } = until(() => (taken() < limit() ? take() : undefined));
      const timer = setTimeout(giveUp, patience_ms);
      signal.addEventListener('abort', giveUp);
      try {
        return await found;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      }
    },
    free: () => until(() => (own === 0 ? true : undefined)).found.then(() => undefined),
    onFreed(hear) {
      heirs.push(hear);
    },
  };
}

interface Wait<T> {
  readonly found: Promise<T>;
  readonly giveUp: () => void;
}
