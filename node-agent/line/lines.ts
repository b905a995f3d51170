/**
 * All lines that are open to this node. Each is told everything; a report is handed in as soon as one of them has
 * brought its acknowledgement back, and a line that opens gets those that still wait.
 */
import type { Socket } from 'node:net';
import { encode, WIRE_VERSION } from '../../protocol/codec.ts';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { VERSION } from '../../protocol/daemon/version.ts';
import { CcliError } from '../../protocol/errors.ts';
import { ChunkSchema } from '../../protocol/output.ts';
import { ReportSchema, reportId } from '../../protocol/report.ts';
import type { Way } from '../courier.ts';
import type { Verbs } from '../verbs.ts';
import { frame, plain } from './frame.ts';
import { createLine, type Line } from './line.ts';
import { type Listener, listen } from './socket.ts';

export interface Lines extends Way {
  /** Takes the socket of the state directory. @throws CcliError as `listen` */
  start(): Promise<void>;
  /** To all that are open. */
  advert(bytes: Uint8Array): void;
  /** Whether anybody is connected, or anything is still done for somebody who was. */
  readonly busy: boolean;
  /** Lets nobody in any more, and ends those that are open. */
  close(): Promise<void>;
}

interface LinesOptions {
  readonly state_dir: string;
  readonly node: string;
  readonly instance_id: string;
  readonly role: 'daemon' | 'stand_in';
  readonly verbs: Verbs;
  /** A fresh one. @throws CcliError when it does not fit */
  readonly advertNow: () => Uint8Array;
  readonly onOpen: () => void;
  readonly onWindUp: () => void;
  readonly log: Log;
  readonly ack_timeout_ms?: number;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly settle: (failure?: CcliError) => void;
}

/** After which a report is sent once more, by whatever way is best then. */
const ACK_TIMEOUT_MS = 10_000;
const MAX_LINES = 16;

export function createLines({
  log,
  verbs,
  advertNow,
  ack_timeout_ms = ACK_TIMEOUT_MS,
  ...options
}: LinesOptions): Lines {
  const { node, instance_id, role } = options;
  const open = new Set<Line>();
  const serving = new Set<Promise<void>>();
  const waiting = new Map<string, Waiting>();
  let listener: Listener | undefined;

  const hello = (): Buffer =>
    plain({ kind: 'hello', v: WIRE_VERSION, node, instance_id, version: VERSION, role });
  const advertLine = (bytes: Uint8Array): Buffer => frame('advert', {}, 'advert', bytes);
  const freshAdvert = (): Buffer | undefined => {
    try {
      return advertLine(advertNow());
    } catch (error) {
      log.error('advert_not_sent', errorFields(error));
      return undefined;
    }
  };

  const failWaiting = (): void => {
    for (const { settle } of [...waiting.values()])
      settle(new CcliError('ssh_connection_lost', 'The line has ended before the report was acknowledged.'));
  };

  /** A line whose network went away without a word stays here for as long as TCP hopes: it must not keep out the next. */
  const makeRoom = (): void => {
    const [oldest] = open;
    if (open.size < MAX_LINES || oldest === undefined) return;
    open.delete(oldest);
    log.warn('line_displaced', { lines: open.size });
    const why = `This node has ${MAX_LINES} newer lines; each coordinator needs one.`;
    void oldest.end(new CcliError('too_many_streams', why));
  };

  const take = (socket: Socket): void => {
    makeRoom();
    const advert = freshAdvert();
    const line = createLine({
      socket,
      verbs,
      log,
      first: advert === undefined ? [hello()] : [hello(), advert],
      advertAgain: freshAdvert,
      onAck: id => waiting.get(id)?.settle(),
      onWindUp: options.onWindUp,
      onEnd: () => {
        open.delete(line);
        log.info('line_ended', { lines: open.size });
        if (open.size === 0) failWaiting();
      },
    });
    open.add(line);
    log.info('line_opened', { lines: open.size });
    const served = line.serve().finally(() => serving.delete(served));
    serving.add(served);
    for (const [id, { bytes }] of waiting) line.report(id, bytes);
    options.onOpen();
  };

  return {
    name: 'line',
    doubtful: false,
    get open() {
      return open.size > 0;
    },
    get busy() {
      return serving.size > 0;
    },
    async start() {
      listener = await listen(options.state_dir, take);
    },
    advert(bytes) {
      if (open.size === 0) return;
      const line = advertLine(bytes);
      for (const one of open) one.advert(line);
    },
    chunk(chunk) {
      if (open.size === 0) return;
      const line = frame('chunk', {}, 'chunk', encode(ChunkSchema, chunk));
      for (const one of open) one.chunk(line);
    },
    report(report) {
      const id = reportId(report);
      const bytes = frame('report', { id }, 'report', encode(ReportSchema, report));
      return new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => {
          settle(new CcliError('ssh_timeout', 'Nobody has acknowledged the report in time.'));
        }, ack_timeout_ms);
        const settle = (failure?: CcliError): void => {
          clearTimeout(late);
          if (waiting.get(id)?.settle === settle) waiting.delete(id);
          if (failure === undefined) resolve();
          else reject(failure);
        };
        waiting.set(id, { bytes, settle });
        for (const line of open) line.report(id, bytes);
      });
    },
    async close() {
      await listener?.close();
      await Promise.all([...open].map(line => line.end()));
      failWaiting();
    },
  };
}
