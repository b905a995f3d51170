/**
 * Keeps the lines that are wanted, as long as this coordinator leads. Runs on a timer, and when a line ends; for each node
 *
 *     idle ──wanted──> opening ──hello──> open ──wanted no more──> idle
 *      ^                  │                │
 *      └──────pause───────┴────────────────┘   the longer, the more often it has failed
 */
import type { Advert } from '../../protocol/advert.ts';
import type { Lifecycle } from '../../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError, type ErrorCode, toErrorBody } from '../../protocol/errors.ts';
import { reportId } from '../../protocol/report.ts';
import type { RemoteProcess } from '../ssh/ssh.ts';
import { createLine, type Line, type LineListener } from './line.ts';
import type { Relay } from './relay.ts';

/** Starts `ccli node-agent exec --stdio` on the host of a node. @throws CcliError as `SshHost.open` */
export type OpenLine = (node: string, signal: AbortSignal) => Promise<RemoteProcess>;

export interface LineCounts {
  readonly node: string;
  readonly open: boolean;
  /** Since the start: lines that were opened, and those of them or before them that failed. */
  readonly opened: number;
  readonly lost: number;
  readonly malformed: number;
}

export interface LineKeeper {
  /** Something may have changed. Looks at every node. */
  readonly activate: () => void;
  /** The line to the node, if one is open. */
  readonly open: (node: string) => Line | undefined;
  readonly counts: () => readonly LineCounts[];
}

interface KeeperOptions {
  /** Those that SSH is set up for. */
  readonly nodes: readonly string[];
  readonly openLine: OpenLine;
  /** Whether a line to the node is to be there. */
  readonly wanted: (node: string) => boolean;
  /** Whether this coordinator may keep any. */
  readonly leads: () => boolean;
  readonly relay: Relay;
  readonly onAdvert: (advert: Advert) => void;
  /** Nothing more comes over the line of this node. */
  readonly onEnded: (node: string) => void;
  /** The line is up. @returns called when it has ended */
  readonly serve: (line: Line) => () => void;
  readonly clock: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly lifecycle: Pick<Lifecycle, 'handOver' | 'signal' | 'defer'>;
  readonly log: Log;
}

/** What is known of one node. */
interface Notes {
  opening: AbortController | undefined;
  line: Line | undefined;
  /** The node has said who it is. */
  up: boolean;
  failures: number;
  /** Of the last line that was lost. */
  last_code: ErrorCode | undefined;
  next_at_ms: number;
  opened: number;
  lost: number;
  malformed: number;
}

const AGAIN_FROM_MS = 1_000;
const AGAIN_TO_MS = 15_000;
/** After what somebody has to mend first. */
const AGAIN_UNMENDED_MS = 60_000;
/** A fleet that has lost its NATS must not shake hands with every host at once. */
const MAX_OPENING = 8;
/** A line that has lasted for so long makes the failures before it old. */
const LASTING_MS = 30_000;
/** Reports of one line that wait for the stream; the node sends again what is beyond that. */
const MAX_WAITING_REPORTS = 64;
const CLOSE_LIMIT_MS = 5_000;

export function createLineKeeper(options: KeeperOptions): LineKeeper {
  const { openLine, relay, clock, lifecycle, log } = options;
  const notes = new Map<string, Notes>(options.nodes.map(node => [node, newNotes()]));

  const activate = (): void => {
    const may = options.leads() && !lifecycle.signal.aborted;
    let opening = [...notes.values()].filter(own => own.opening !== undefined && !own.up).length;
    // Whoever has waited longest comes first: hosts that never answer must not keep the others out.
    for (const [node, own] of [...notes].sort(([, one], [, other]) => one.next_at_ms - other.next_at_ms)) {
      const wanted = may && options.wanted(node);
      if (!wanted) close(node, own, may ? 'not needed any more' : 'this coordinator does not lead');
      else if (own.opening === undefined && clock() >= own.next_at_ms && opening < MAX_OPENING) {
        opening += 1;
        begin(node, own);
      }
    }
  };

  const begin = (node: string, own: Notes): void => {
    const opening = new AbortController();
    own.opening = opening;
    lifecycle.handOver(
      keep(node, own, opening.signal).finally(() => {
        own.opening = undefined;
        activate();
      }),
    );
  };

  const close = (node: string, own: Notes, why: string): void => {
    if (own.opening === undefined || own.opening.signal.aborted) return;
    log[own.up ? 'info' : 'debug']('line_closed', { node, why });
    own.opening.abort();
  };

  /** From the first try to open it to its end. Never rejects. */
  const keep = async (node: string, own: Notes, signal: AbortSignal): Promise<void> => {
    const began = clock();
    const opened_before = own.opened;
    const error = await hold(node, own, signal);
    if (error === undefined || signal.aborted) return;
    const opened = own.opened > opened_before;
    if (opened && clock() - began > LASTING_MS) own.failures = 0;
    own.lost += 1;
    const pause_ms = Math.round(pauseAfter(own.failures, error, options.random()));
    own.failures += 1;
    own.next_at_ms = clock() + pause_ms;
    const { code } = toErrorBody(error);
    // A host that is switched off for a week is told of once.
    const level = opened || own.last_code !== code ? 'warn' : 'debug';
    own.last_code = code;
    log[level]('line_lost', { node, ...errorFields(error), error_code: code, pause_ms });
  };

  /** @returns why it is over; undefined when it was to be */
  const hold = async (node: string, own: Notes, signal: AbortSignal): Promise<unknown> => {
    let line: Line | undefined;
    let ended: (() => void) | undefined;
    const life = new AbortController();
    try {
      const process = await openLine(node, signal);
      const listener = listenerOf(node, own, life.signal, {
        up: () => {
          ended = line && options.serve(line);
        },
        ack: id => line?.ack(id),
      });
      line = createLine({ node, process, listener, log });
      own.line = line;
      const closed = new Promise<undefined>(resolve => {
        signal.addEventListener(
          'abort',
          () => {
            resolve(undefined);
          },
          { once: true },
        );
        if (signal.aborted) resolve(undefined);
      });
      return await Promise.race([line.ended, closed]);
    } catch (error) {
      return error;
    } finally {
      life.abort();
      ended?.();
      own.line = undefined;
      own.up = false;
      own.malformed += line?.malformed() ?? 0;
      if (line !== undefined) options.onEnded(node);
      await line?.close();
    }
  };

  const listenerOf = (
    node: string,
    own: Notes,
    life: AbortSignal,
    line: { readonly up: () => void; readonly ack: (id: string) => void },
  ): LineListener => {
    const waiting = new Set<string>();
    return {
      onHello({ instance_id, role, version }) {
        own.opened += 1;
        own.up = true;
        log.info('line_opened', { node, instance_id, role, version });
        line.up();
      },
      onAdvert(advert) {
        options.onAdvert(advert);
        relay.advert(advert);
      },
      onChunk(chunk) {
        relay.chunk(node, chunk);
      },
      onReport(id, report) {
        const key = reportId(report);
        if (waiting.has(key) || waiting.size >= MAX_WAITING_REPORTS) return;
        waiting.add(key);
        const passing = relay
          .report(node, report, life)
          .then(done => {
            if (done) line.ack(id);
          })
          .finally(() => waiting.delete(key));
        lifecycle.handOver(passing);
      },
    };
  };

  lifecycle.signal.addEventListener('abort', activate);
  lifecycle.defer(
    'lines',
    async () => {
      for (const [node, own] of notes) close(node, own, 'this coordinator stops');
      await Promise.all([...notes.values()].map(async ({ line }) => line?.close()));
    },
    CLOSE_LIMIT_MS,
  );

  return {
    activate,
    open(node) {
      const own = notes.get(node);
      return own?.up === true ? own.line : undefined;
    },
    counts: () =>
      [...notes].map(([node, { line, up, opened, lost, malformed }]) => ({
        node,
        open: up,
        opened,
        lost,
        malformed: malformed + (line?.malformed() ?? 0),
      })),
  };
}

const newNotes = (): Notes => ({
  opening: undefined,
  line: undefined,
  up: false,
  failures: 0,
  last_code: undefined,
  next_at_ms: 0,
  opened: 0,
  lost: 0,
  malformed: 0,
});

/** What somebody has to mend first is looked at no more often than it takes to mend it. */
function pauseAfter(failures: number, error: unknown, random: number): number {
  const mendable = error instanceof CcliError && !error.retryable;
  const most_ms = mendable ? AGAIN_UNMENDED_MS : Math.min(AGAIN_FROM_MS * 2 ** failures, AGAIN_TO_MS);
  return most_ms * (0.5 + random / 2);
}
