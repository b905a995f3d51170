/** Notices when a part of the fleet ends that nobody stopped. */
import type { CcliError } from '../../protocol/errors.ts';

export interface PartWatch {
  watch(end: Promise<CcliError>): void;
  /** Aborts with the first end's reason. */
  readonly signal: AbortSignal;
  /** Settles with the same reason, or never. */
  readonly ended: Promise<CcliError>;
}

/** @param stopping once aborted, ends are wanted and nobody is told. */
export function createPartWatch(stopping: AbortSignal): PartWatch {
  const controller = new AbortController();
  let tell: (error: CcliError) => void = () => undefined;
  const ended = new Promise<CcliError>(resolve => {
    tell = resolve;
  });
  return {
    signal: controller.signal,
    ended,
    watch(end) {
      void end.then(error => {
        if (stopping.aborted) return;
        controller.abort(error);
        tell(error);
      });
    },
  };
}
