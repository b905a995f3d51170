/**
 * The ways out of a node, for its reports and its chunks: NATS when it is there, and open lines when it is not, or does
 * not do what it should.
 */
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Chunk } from '../protocol/output.ts';
import type { Report } from '../protocol/report.ts';

export interface Way {
  readonly name: 'nats' | 'line';
  readonly open: boolean;
  /** Set once something sent has come to nothing, until the way is seen to work again. */
  readonly doubtful: boolean;
  /** May be lost. */
  chunk(chunk: Chunk): void;
  /** Resolves once the report stream has it. Rejects in finite time. */
  report(report: Report): Promise<void>;
}

export interface Courier {
  readonly open: boolean;
  chunk(chunk: Chunk): void;
  /** Tries each way that is open now. Resolves once the report stream has it. */
  report(report: Report): Promise<void>;
  /** Resolves as soon as a way is open. On abort, the signal's reason. */
  whenOpen(signal: AbortSignal): Promise<void>;
  /** One more, which is taken only when those before it are closed or doubtful. */
  add(way: Way): void;
  /** A way has opened. */
  opened(): void;
}

export function createCourier(log: Log): Courier {
  const ways: Way[] = [];
  const waiting = new Set<() => void>();
  const isOpen = (): boolean => ways.some(({ open }) => open);
  const inOrder = (): Way[] => {
    const open = ways.filter(way => way.open);
    return [...open.filter(({ doubtful }) => !doubtful), ...open.filter(({ doubtful }) => doubtful)];
  };

  return {
    get open() {
      return isOpen();
    },
    chunk(chunk) {
      inOrder()[0]?.chunk(chunk);
    },
    async report(report) {
      let failure: unknown = new CcliError('nats_unreachable');
      for (const way of inOrder()) {
        try {
          await way.report(report);
          return;
        } catch (error) {
          const { task_id, attempt, kind } = report;
          log.debug('way_failed', { way: way.name, task_id, attempt, kind, ...errorFields(error) });
          failure = error;
        }
      }
      throw failure;
    },
    async whenOpen(signal) {
      while (!isOpen()) {
        signal.throwIfAborted();
        await new Promise<void>(resolve => {
          const wake = (): void => {
            waiting.delete(wake);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          waiting.add(wake);
          signal.addEventListener('abort', wake);
        });
      }
      signal.throwIfAborted();
    },
    add(way) {
      ways.push(way);
    },
    opened() {
      for (const wake of [...waiting]) wake();
    },
  };
}
