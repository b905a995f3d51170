/**
 * Folds what nodes report into the store, as the leader does. A report is acknowledged only when the stored state
 * reflects it; folding one twice, or by two coordinators at once, ends in the same state.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { decode } from '../protocol/codec.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import { type FinishedReport, type Report, ReportSchema } from '../protocol/report.ts';
import { nodeOf } from '../protocol/subjects.ts';
import { isTerminal } from '../protocol/task.ts';
import { type Folded, fold, strangeness } from './core/fold.ts';
import { lookUp, refresh } from './lookup.ts';
import type { Mirror } from './mirror.ts';
import type { Steps } from './steps.ts';
import type { TaskStore } from './store.ts';
import type { TaskEntry } from './task-entry.ts';

export interface Reports {
  /** Folds from now on; what an earlier leader had taken and not acknowledged comes first. */
  start(): void;
  /** Safe to call twice. */
  stop(): Promise<void>;
  readonly counts: { readonly folded: number; readonly ignored: number; readonly malformed: number };
}

interface ReportsOptions {
  /** Makes the consumer anew, which gives back whatever somebody else has taken and not acknowledged. */
  readonly open: () => Promise<Consumer>;
  readonly prefix: string;
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly steps: Steps;
  readonly random: () => number;
  /** Whether another member of the task's fallback chain could take it. */
  readonly elsewhere: (entry: TaskEntry) => boolean;
  /** An attempt ended the task although another one still runs. */
  readonly onOvertaken: (entry: TaskEntry, winner: number) => void;
  readonly handOver: (work: Promise<unknown>) => void;
  readonly log: Log;
}

/** The store did not answer: it is asked again soon. */
const STORE_RETRY_MS = 1_000;
/** How long one request for messages stands. A server that restarts forgets it, which shows after about as long. */
const PULL_MS = 3_000;
/** A report newer than this code waits for somebody who knows it. */
const PARK_MS = 60_000;

export function createReports(options: ReportsOptions): Reports {
  const { store, mirror, steps, log } = options;
  const counts = { folded: 0, ignored: 0, malformed: 0 };
  let following: { readonly stop: () => Promise<void> } | undefined;

  const apply = async (report: Report): Promise<void> => {
    const entry = await lookUp(store, mirror, report.task_id);
    if (entry === undefined) {
      counts.ignored += 1;
      log.info('report_for_unknown_task', { task_id: report.task_id, attempt: report.attempt });
      return;
    }
    if (report.kind === 'slice') {
      if (isTerminal(entry.state.status) || strangeness(entry, report) !== undefined) return;
      await store.putResultSlice(
        report.task_id,
        report.attempt,
        report.index,
        Buffer.from(report.data, 'base64'),
      );
      return;
    }
    const random = options.random();
    const again = (): Folded =>
      fold(
        {
          state: entry.state,
          seq: entry.seq,
          options: entry.options,
          elsewhere: () => options.elsewhere(entry),
        },
        report,
        random,
      );
    let folded = again();
    if (folded.outcome === 'ignore' && !isTerminal(entry.state.status)) {
      // What makes it senseless may only be news that the watch has not brought yet.
      await refresh(store, mirror, report.task_id);
      folded = again();
    }
    if (folded.outcome === 'ignore') {
      counts.ignored += 1;
      log.debug('report_ignored', {
        task_id: report.task_id,
        attempt: report.attempt,
        reason: folded.reason,
      });
      return;
    }
    const before = entry.state;
    let step = folded.step;
    if (report.kind === 'finished' && folded.keep_text && report.text !== undefined) {
      const kept = await keepText(report, entry.seq);
      // An answer that another attempt has already stored stands, and the task ends with it.
      if (step.step === 'complete') step = { ...step, attempt: kept };
    }
    const taken = await steps.take(entry, step);
    counts[taken ? 'folded' : 'ignored'] += 1;
    const current = before.attempts.at(-1)?.attempt;
    if (taken && step.step === 'complete' && before.status !== 'queued' && current !== step.attempt) {
      options.onOvertaken(entry, step.attempt);
    }
  };

  /** @returns the attempt whose answer is the stored one */
  const keepText = async (report: FinishedReport, seq: number): Promise<number> => {
    const { task_id, attempt, text } = report;
    if (text === undefined) return attempt;
    if ('ref' in text && !(await store.hasResultSlices(task_id, attempt, text.ref.slices))) {
      throw new CcliError('slices_incomplete', 'A slice of the answer is not stored yet.');
    }
    const created = await store.createResult({ ...report, text }, seq);
    return created ? attempt : ((await store.result(task_id, seq))?.attempt ?? attempt);
  };

  const handle = async (message: JsMsg): Promise<void> => {
    const report = understand(message);
    if (report === undefined) return;
    try {
      await steps.inTurn(report.task_id, () => apply(report));
      message.ack();
    } catch (error) {
      log.warn('report_not_folded', { task_id: report.task_id, ...errorFields(error) });
      message.nak(STORE_RETRY_MS);
    }
  };

  const understand = (message: JsMsg): Report | undefined => {
    try {
      const report = decode(ReportSchema, message.data);
      if (nodeOf(options.prefix, message.subject) === report.node) return report;
      throw new CcliError('invalid_request', 'The report speaks for another node.');
    } catch (error) {
      if (error instanceof CcliError && error.code === 'unsupported_version') {
        log.error('report_too_new', { subject: message.subject, ...errorFields(error) });
        message.nak(PARK_MS);
      } else {
        counts.malformed += 1;
        // The code alone: what a parser says of a text may quote it.
        log.error('report_malformed', { subject: message.subject, error_code: toErrorBody(error).code });
        message.term('malformed');
      }
      return undefined;
    }
  };

  /** Until `signal` aborts, also through the loss of the consumer or of the stream. */
  const follow = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      try {
        const consumer = await options.open();
        const messages = await consumer.consume({
          max_messages: 256,
          expires: PULL_MS,
          abort_on_missing_resource: true,
          callback: message => {
            options.handOver(handle(message));
          },
        });
        await closedOr(messages, signal);
      } catch (error) {
        log.warn('reports_not_followed', errorFields(error));
      }
      await delay(STORE_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  };

  return {
    counts,
    start() {
      if (following !== undefined) return;
      const controller = new AbortController();
      const done = follow(controller.signal);
      options.handOver(done);
      following = {
        async stop() {
          controller.abort();
          await done;
        },
      };
    },
    async stop() {
      const stopped = following?.stop();
      following = undefined;
      await stopped;
    },
  };
}

/** Settles once no message comes any more: the consumer has gone, or `signal` has aborted and ours is closed. */
async function closedOr(messages: ConsumerMessages, signal: AbortSignal): Promise<void> {
  const close = (): void => {
    void messages.close();
  };
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  try {
    const failure = await messages.closed();
    if (failure instanceof Error && !signal.aborted) throw failure;
  } finally {
    signal.removeEventListener('abort', close);
  }
}
