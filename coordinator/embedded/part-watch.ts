/** Notices when a part of the fleet ends that nobody stopped. */
import type { CcliError } from '../../protocol/errors.ts';

export interface PartWatch {
  watch(name: string, end: Promise<CcliError>): void;
  /** Aborts with the first end's reason. */
  readonly signal: AbortSignal;
  /** Settles with the same reason, or never. */
  readonly ended: Promise<CcliError>;
}

/**
 * @param stopping once aborted, ends are wanted and nobody is told.
 * @param onEnd told of the part that ends first, before the others are stopped.
 */
export function createPartWatch(stopping: AbortSignal, onEnd: (name: string) => void): PartWatch {
  const controller = new AbortController();
  let tell: (error: CcliError) => void = () => undefined;
  const ended = new Promise<CcliError>(resolve => {
    tell = resolve;
  });
  return {
    signal: controller.signal,
    ended,
    watch(name, end) {
      void end.then(error => {
        if (stopping.aborted) return;
        if (!controller.signal.aborted) onEnd(name);
        controller.abort(error);
        tell(error);
      });
    },
  };
}
