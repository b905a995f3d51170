/**
 * One line to a node: requests and their replies, and whatever the node says of itself.
 *
 *     opened ──hello──> up ──silence, an error, the end of the process, close()──> ended
 *
 * It never rejects and never throws once it is there: how it ended is what `ended` tells.
 */
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import type { Advert } from '../../protocol/advert.ts';
import { decode, encode, WIRE_VERSION } from '../../protocol/codec.ts';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { withinLimit } from '../../protocol/daemon/within-limit.ts';
import { CcliError, fromErrorBody } from '../../protocol/errors.ts';
import { ADVERT_INTERVAL_MS, LOST_AFTER_INTERVALS } from '../../protocol/limits.ts';
import {
  type FromNode,
  FromNodeSchema,
  type LineVerb,
  MAX_LINE_BYTES,
  type ToNode,
  ToNodeSchema,
} from '../../protocol/line.ts';
import type { Chunk } from '../../protocol/output.ts';
import type { Report } from '../../protocol/report.ts';
import type { RemoteProcess } from '../ssh/ssh.ts';
import { createPending } from './pending.ts';
import { splitLines } from './split-lines.ts';

export type Hello = Extract<FromNode, { kind: 'hello' }>;

export interface LineListener {
  readonly onHello: (hello: Hello) => void;
  readonly onAdvert: (advert: Advert) => void;
  readonly onChunk: (chunk: Chunk) => void;
  /** @param id to be acknowledged once the report stream has it */
  readonly onReport: (id: string, report: Report) => void;
}

export interface Line {
  readonly node: string;
  /**
   * The reply's body as it came.
   *
   * @throws CcliError the one the node answered with; `node_lost` when it does not answer in time, or the line ends;
   *   `message_too_large`
   */
  request(verb: LineVerb, body: unknown, timeout_ms: number): Promise<unknown>;
  ack(id: string): void;
  /** Resolves, with why, when nothing more comes; with undefined after `close`. */
  readonly ended: Promise<CcliError | undefined>;
  /** What the node has begun goes on without it. Resolves when its process is gone. */
  close(): Promise<void>;
  readonly malformed: () => number;
}

interface LineOptions {
  readonly node: string;
  readonly process: RemoteProcess;
  readonly listener: LineListener;
  readonly log: Log;
  /** Until its first word. */
  readonly hello_timeout_ms?: number;
}

/** A stand-in may have to start first, on a host that is busy. */
const HELLO_TIMEOUT_MS = 30_000;
/** Of a line that says nothing we understand. What a login shell prints before the first word is not counted. */
const MAX_MALFORMED = 100;
/** Requests wait in memory for a slow line; beyond this they are refused. */
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
const STDERR_KEPT = 2_000;
/** For a process that ends by itself when its stdin does. */
const CLOSE_PATIENCE_MS = 2_000;
const LAST_WORDS_MS = 1_000;

export function createLine({ node, process, listener, log, hello_timeout_ms }: LineOptions): Line {
  const { stream } = process;
  const pending = createPending(node);
  let hello: Hello | undefined;
  let malformed = 0;
  let silence: NodeJS.Timeout | undefined;
  let patience_ms = hello_timeout_ms ?? HELLO_TIMEOUT_MS;
  let closing = false;
  let stderr = '';
  let resolveEnded: (error: CcliError | undefined) => void = () => undefined;
  const ended = new Promise<CcliError | undefined>(resolve => {
    resolveEnded = resolve;
  });
  let over = false;

  const end = (error: CcliError | undefined): void => {
    if (over) return;
    over = true;
    clearTimeout(silence);
    pending.fail(error);
    resolveEnded(closing ? undefined : error);
  };

  const fail = (error: CcliError): void => {
    end(error);
    void gone();
  };

  const listen = (): void => {
    clearTimeout(silence);
    if (over) return;
    silence = setTimeout(() => {
      const seconds = Math.round(patience_ms / 1_000);
      const missed = hello === undefined ? 'did not say hello within' : 'said nothing for';
      fail(new CcliError('ssh_timeout', `The line to ${node} ${missed} ${seconds} s.`));
    }, patience_ms);
  };

  const refuse = (error: unknown): void => {
    if (hello === undefined) {
      log.debug('line_noise', { node });
      return;
    }
    malformed += 1;
    log.warn('line_malformed', { node, ...errorFields(error) });
    if (malformed > MAX_MALFORMED)
      fail(new CcliError('invalid_request', `The line to ${node} says too much that cannot be read.`));
  };

  const begin = (said: Hello): void => {
    if (hello !== undefined) throw new CcliError('invalid_request', 'It says hello twice.');
    if (said.node !== node) {
      const message = `The host of ${node} answers as node ${said.node}; mend ssh.hosts of the coordinator, or the name in the node's file.`;
      fail(new CcliError('config_invalid', message));
      return;
    }
    hello = said;
    patience_ms = LOST_AFTER_INTERVALS * ADVERT_INTERVAL_MS;
    listen();
    listener.onHello(said);
  };

  const hear = (message: FromNode): void => {
    if (message.kind === 'error' && message.id === undefined) {
      fail(fromErrorBody(message.error));
      return;
    }
    if (message.kind !== 'hello' && hello === undefined) return;
    switch (message.kind) {
      case 'hello':
        begin(message);
        return;
      case 'advert':
        if (message.advert.node !== node)
          throw new CcliError('invalid_request', 'It speaks for another node.');
        patience_ms = LOST_AFTER_INTERVALS * Math.max(message.advert.interval_ms, LEAST_INTERVAL_MS);
        listener.onAdvert(message.advert);
        return;
      case 'chunk':
        listener.onChunk(message.chunk);
        return;
      case 'report':
        if (message.report.node !== node)
          throw new CcliError('invalid_request', 'It speaks for another node.');
        listener.onReport(message.id, message.report);
        return;
      case 'reply':
        pending.resolve(message.id, message.reply);
        return;
      case 'error':
        if (message.id !== undefined) pending.reject(message.id, fromErrorBody(message.error));
    }
  };

  const take = splitLines({
    onLine(bytes) {
      if (over) return;
      try {
        hear(decode(FromNodeSchema, bytes, MAX_LINE_BYTES));
      } catch (error) {
        refuse(error);
      }
    },
    onTooLong() {
      refuse(new CcliError('message_too_large', 'A line is longer than any message may be.'));
    },
  });

  const send = (message: ToNode): void => {
    const bytes = encode(ToNodeSchema, message, MAX_LINE_BYTES);
    if (over || !stream.writable) throw silent(node);
    if (stream.writableLength > MAX_UNSENT_BYTES)
      throw new CcliError('node_lost', `The line to ${node} takes no more.`);
    stream.write(bytes);
    stream.write('\n');
  };

  /** Its process, and with it the line, are gone; it is helped along when it does not end by itself. */
  const gone = async (): Promise<void> => {
    stream.end();
    const timer = setTimeout(() => {
      void kill();
    }, CLOSE_PATIENCE_MS);
    await process.ended.catch(() => undefined);
    clearTimeout(timer);
    stream.destroy();
  };

  const kill = async (): Promise<void> => {
    try {
      await process.kill();
    } catch (error) {
      log.debug('line_not_killed', { node, ...errorFields(error) });
    }
  };

  const read = finished(stream, { readable: true, writable: false }).catch(() => undefined);
  const utf8 = new StringDecoder('utf8');
  process.stderr.on('data', (bytes: Buffer) => {
    stderr = (stderr + utf8.write(bytes)).slice(-STDERR_KEPT);
  });
  process.stderr.on('error', () => undefined);
  stream.on('data', (bytes: Buffer) => {
    // What comes before the hello, however much it is, buys no time.
    if (hello !== undefined) listen();
    take(bytes);
  });
  stream.on('error', (cause: unknown) => {
    end(new CcliError('ssh_connection_lost', `The line to ${node} broke off.`, { cause }));
  });
  void process.ended.then(
    async ({ code }) => {
      // Its last words may still be on their way.
      await withinLimit(read, LAST_WORDS_MS);
      end(whyEnded(node, code, hello !== undefined, stderr));
    },
    (cause: unknown) => {
      end(
        cause instanceof CcliError
          ? cause
          : new CcliError('ssh_connection_lost', `The line to ${node} broke off.`, { cause }),
      );
    },
  );
  listen();

  return {
    node,
    ended,
    malformed: () => malformed,
    async request(verb, body, timeout_ms) {
      const { id, reply } = pending.open(timeout_ms);
      try {
        send({ kind: 'request', v: WIRE_VERSION, id, verb, body });
      } catch (error) {
        pending.reject(id, error instanceof CcliError ? error : silent(node, error));
      }
      return await reply;
    },
    ack(id) {
      try {
        send({ kind: 'ack', v: WIRE_VERSION, id });
      } catch (error) {
        // The node sends it again over the next line, and the stream knows it by its id.
        log.debug('report_not_acknowledged', { node, id, ...errorFields(error) });
      }
    },
    async close() {
      closing = true;
      end(undefined);
      await gone();
    },
  };
}

/** A test's node may advertise every few milliseconds; a host that is busy for a moment is not silent. */
const LEAST_INTERVAL_MS = 1_000;

const silent = (node: string, cause?: unknown): CcliError =>
  new CcliError('node_lost', `The line to node ${node} has ended.`, { cause });

/** What a shell says when there is no such program, or it cannot be run. */
const NOT_THERE: ReadonlySet<number | undefined> = new Set([126, 127]);

function whyEnded(node: string, code: number | undefined, spoke: boolean, stderr: string): CcliError {
  const last = stderr.trim().split('\n').at(-1)?.slice(0, 300);
  const said = last === undefined || last === '' ? '' : ` Its last words: ${last}`;
  if (!spoke && NOT_THERE.has(code)) {
    return new CcliError(
      'node_not_installed',
      `No node-agent is installed on the host of ${node} (exit code ${code ?? '?'}); run \`ccli bootstrap\` for it, or name its program in ssh.hosts.${node}.command.${said}`,
    );
  }
  if (!spoke) {
    return new CcliError(
      'remote_command_failed',
      `The node-agent of ${node} ended before it said anything (exit code ${code ?? 'none'}).${said}`,
    );
  }
  return new CcliError('ssh_connection_lost', `The line to ${node} has ended.${said}`);
}
