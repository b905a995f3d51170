/** Takes back what a run has changed, also over a new connection when the old one broke. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { Shell } from './shell.ts';
import type { Change, Changes } from './undo.ts';

export interface RolledBack {
  /** What could not be taken back, and why. */
  readonly left: readonly { readonly what: string; readonly error: CcliError }[];
}

interface RollBackOptions {
  readonly changes: Changes;
  /** Under a signal of its own: the one of the run may be what ended it. */
  readonly shell: Shell;
  /** How long a host that is gone is waited for. */
  readonly patience_ms: number;
  /** Before anything is taken back, once the host answers. */
  readonly relock: () => Promise<void>;
  readonly tell: (text: string) => void;
}

const PAUSE_MS = 500;

/** What may pass when it is tried again. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'ssh_unreachable',
  'ssh_timeout',
  'ssh_connection_lost',
  'ssh_channel_refused',
]);

export async function rollBack(options: RollBackOptions): Promise<RolledBack> {
  const { changes, shell, relock, tell } = options;
  const left: { what: string; error: CcliError }[] = [];
  if (!changes.any) return { left };
  tell('taking back what was done');
  const end = performance.now() + options.patience_ms;
  const patiently = async (work: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        const passing = error instanceof CcliError && PASSING.has(error.code);
        if (!passing || performance.now() > end || shell.signal.aborted) throw error;
        tell(`waiting for ${shell.host} to take back what was done: ${error.message}`);
        await delay(PAUSE_MS, undefined, { signal: shell.signal });
      }
    }
  };
  const all = changes.inReverse();
  try {
    await patiently(async () => {
      await shell.run(':');
      await relock();
    });
  } catch (error) {
    return { left: all.map(({ what }) => ({ what, error: asCcliError(error) })) };
  }
  for (const { what, undo } of all) {
    try {
      await patiently(() => undo(shell));
    } catch (error) {
      left.push({ what, error: asCcliError(error) });
    }
  }
  return { left };
}

const asCcliError = (error: unknown): CcliError =>
  error instanceof CcliError ? error : new CcliError('bootstrap_failed', undefined, { cause: error });

/** `~/.config/ccli, the unit`: once each, however often it was changed, and nothing that lies below another of them. */
export function namesOf(left: readonly Pick<Change, 'what'>[]): string {
  const names = [...new Set(left.map(({ what }) => what))];
  return names.filter(name => !names.some(other => name.startsWith(`${other}/`))).join(', ');
}
