/**
 * What a node says over a line, passed on to NATS as if it had said it there: its chunks to whoever reads its output, its
 * reports into the report stream, its adverts to the other coordinators. So there is one fold and one set of readers.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamClient } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { type Advert, AdvertSchema } from '../../protocol/advert.ts';
import { encode } from '../../protocol/codec.ts';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { type Chunk, ChunkSchema } from '../../protocol/output.ts';
import { type Report, ReportSchema, reportId } from '../../protocol/report.ts';
import { LINE_HEADER, type Names } from '../../protocol/subjects.ts';

export interface Relay {
  advert(advert: Advert): void;
  chunk(node: string, chunk: Chunk): void;
  /** Resolves once the stream has it: true; or it was not to be had before `signal` aborted: false. */
  report(node: string, report: Report, signal: AbortSignal): Promise<boolean>;
  /** Reports that the stream has acknowledged. */
  readonly reports: () => number;
}

interface RelayOptions {
  readonly connection: Pick<NatsConnection, 'publish' | 'isClosed'>;
  readonly jetstream: Pick<JetStreamClient, 'publish'>;
  readonly names: Names;
  readonly coordinator_id: string;
  /** Whether NATS is there: what is published otherwise would pile up. */
  readonly linked: () => boolean;
  readonly log: Log;
}

const PUBLISH_TIMEOUT_MS = 5_000;
const AGAIN_FROM_MS = 500;
const AGAIN_TO_MS = 5_000;

export function createRelay(options: RelayOptions): Relay {
  const { connection, jetstream, names, coordinator_id, linked, log } = options;
  let reports = 0;

  const publish = (report: Report): Promise<unknown> =>
    jetstream.publish(names.report(report.node), encode(ReportSchema, report), {
      // That of the node itself: sent over NATS as well, the stream has it once.
      msgID: reportId(report),
      timeout: PUBLISH_TIMEOUT_MS,
    });

  return {
    reports: () => reports,
    advert(advert) {
      if (!linked() || connection.isClosed()) return;
      const marked = headers();
      marked.set(LINE_HEADER, coordinator_id);
      connection.publish(names.advert(advert.node), encode(AdvertSchema, advert), { headers: marked });
    },
    chunk(node, chunk) {
      // Nothing of an answer depends on it: its readers see a gap, and the whole at the end.
      if (!linked() || connection.isClosed()) return;
      connection.publish(names.output(node, chunk.task_id, chunk.attempt), encode(ChunkSchema, chunk));
    },
    async report(node, report, signal) {
      const marked: Report = { ...report, node, transport: 'ssh' };
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          if (linked()) {
            await publish(marked);
            reports += 1;
            return true;
          }
        } catch (error) {
          log.warn('report_not_relayed', {
            node,
            task_id: report.task_id,
            attempt: report.attempt,
            kind: report.kind,
            ...errorFields(error),
          });
        }
        const pause_ms = Math.min(AGAIN_FROM_MS * 2 ** Math.min(failures, 10), AGAIN_TO_MS);
        await delay(pause_ms, undefined, { signal }).catch(() => undefined);
      }
      return false;
    },
  };
}
