/** Gets reports into the report stream. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { WIRE_VERSION } from '../protocol/codec.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { Report } from '../protocol/report.ts';
import { cut, fitsInline, type Text } from '../protocol/text.ts';
import type { Courier } from './courier.ts';
import type { AttemptId, OutboxEntry } from './journal.ts';

export interface Reporter {
  /** One try; the finished report implies it, so a lost one costs a moment of display. */
  started(id: AttemptId): Promise<void>;
  /**
   * Resolves once the stream has the whole result; waits for as long as no way leads there. Rejects after a few tries of any part of it, so that one result
   * does not keep others from being sent; it may be sent again as often as one likes.
   */
  finished(entry: OutboxEntry, signal: AbortSignal): Promise<void>;
}

interface ReporterOptions {
  readonly courier: Pick<Courier, 'open' | 'report' | 'whenOpen'>;
  readonly node: string;
  readonly instance_id: string;
  readonly log: Log;
}

const TRIES = 3;
const RETRY_MS = 200;

export function createReporter({ courier, node, instance_id, log }: ReporterOptions): Reporter {
  const insist = async (report: Report, signal: AbortSignal): Promise<void> => {
    for (let left = TRIES - 1; ; left -= 1) {
      await courier.whenOpen(signal);
      try {
        await courier.report(report);
        return;
      } catch (error) {
        // The stream drops what it already has by its message id, so sending again is safe.
        log.warn('report_not_acknowledged', {
          task_id: report.task_id,
          attempt: report.attempt,
          kind: report.kind,
          ...errorFields(error),
        });
        if (left === 0) throw error;
      }
      await delay(RETRY_MS, undefined, { signal });
    }
  };

  return {
    async started({ task_id, attempt, seq }) {
      if (!courier.open) return;
      try {
        await courier.report({ v: WIRE_VERSION, kind: 'started', node, instance_id, task_id, attempt, seq });
      } catch (error) {
        log.warn('report_not_acknowledged', { task_id, attempt, kind: 'started', ...errorFields(error) });
      }
    },
    async finished({ report, text }, signal) {
      const { task_id, attempt, seq } = report;
      const { whole, slices } = text === undefined ? { whole: undefined, slices: [] } : prepare(text);
      for (const [index, slice] of slices.entries()) {
        const data = Buffer.from(slice).toString('base64');
        await insist(
          { v: WIRE_VERSION, kind: 'slice', node, instance_id, task_id, attempt, seq, index, data },
          signal,
        );
      }
      await insist({ ...report, ...(whole !== undefined && { text: whole }) }, signal);
    },
  };
}

function prepare(text: string): { whole: Text; slices: Uint8Array[] } {
  if (fitsInline(text)) return { whole: { inline: text }, slices: [] };
  const bytes = new TextEncoder().encode(text);
  const slices = cut(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { whole: { ref: { slices: slices.length, size_bytes: bytes.byteLength, sha256 } }, slices };
}
