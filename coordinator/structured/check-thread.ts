/**
 * The one thread in which callers' schemas are compiled and held against answers, one job after another: a pattern may
 * backtrack, and a schema repeat itself, for as long as they like without the event loop waiting for them. It is started
 * when it is needed, ended when it was not for a while, and replaced when a job takes too long.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { CcliError } from '../../protocol/errors.ts';
import { type CheckJob, type CheckReply, serveChecks } from './check-work.ts';

export interface CheckThread {
  /** @throws CcliError `overloaded` when too many wait already, `shutting_down` once closed */
  check(job: CheckJob): Promise<CheckReply>;
  readonly close: () => void;
}

interface CheckThreadOptions {
  /** For one job, counted from when the thread takes it up. */
  readonly limit_ms?: number;
  /** Jobs that may wait. */
  readonly most_waiting?: number;
}

interface Waiting {
  readonly job: CheckJob;
  readonly resolve: (reply: CheckReply) => void;
  readonly reject: (error: CcliError) => void;
}

const LIMIT_MS = 2_000;
const MOST_WAITING = 64;
const IDLE_MS = 60_000;
const MAX_HEAP_MB = 256;

const SOURCE = `(${serveChecks.toString()})(
  require('node:worker_threads').parentPort,
  require(require('node:worker_threads').workerData.ajv).Ajv2020,
);`;

export function createCheckThread({
  limit_ms = LIMIT_MS,
  most_waiting = MOST_WAITING,
}: CheckThreadOptions = {}): CheckThread {
  const waiting: Waiting[] = [];
  let current: Waiting | undefined;
  let worker: Worker | undefined;
  let ready = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const drop = (): void => {
    clearTimeout(timer);
    ready = false;
    const old = worker;
    worker = undefined;
    old?.removeAllListeners();
    // What a thread that is being ended still has to say.
    old?.on('error', () => undefined);
    void old?.terminate();
  };

  const settle = (reply: CheckReply): void => {
    clearTimeout(timer);
    current?.resolve(reply);
    current = undefined;
    next();
  };

  const fail = (fault: string): void => {
    drop();
    settle({ fault });
  };

  const start = (): Worker => {
    const ajv = createRequire(import.meta.url).resolve('ajv/dist/2020.js');
    const made = new Worker(SOURCE, {
      eval: true,
      workerData: { ajv },
      // None of the options that this process was started with are for it.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    made.on('message', (message: CheckReply | 'ready') => {
      if (message !== 'ready') {
        settle(message);
        return;
      }
      ready = true;
      send();
    });
    made.on('error', error => {
      fail(isOutOfMemory(error) ? 'it takes too much memory' : error.message.slice(0, 300));
    });
    made.on('exit', () => {
      fail('its thread has ended');
    });
    return made;
  };

  const send = (): void => {
    if (!ready || current === undefined) return;
    worker?.postMessage(current.job);
    timer = setTimeout(() => {
      fail(`it takes longer than ${limit_ms / 1000} s; use a simpler schema, and simpler patterns`);
    }, limit_ms);
  };

  const next = (): void => {
    if (current !== undefined || closed) return;
    current = waiting.shift();
    if (current !== undefined) {
      worker ??= start();
      worker.ref();
      send();
    } else if (worker !== undefined) {
      worker.unref();
      timer = setTimeout(drop, IDLE_MS).unref();
    }
  };

  return {
    check: job =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new CcliError('shutting_down'));
          return;
        }
        if (waiting.length >= most_waiting) {
          reject(
            new CcliError('overloaded', 'Too many JSON Schemas are being checked; try again in a moment.'),
          );
          return;
        }
        waiting.push({ job, resolve, reject });
        if (current !== undefined) return;
        clearTimeout(timer);
        next();
      }),
    close() {
      closed = true;
      drop();
      const left = [...(current === undefined ? [] : [current]), ...waiting.splice(0)];
      current = undefined;
      for (const { reject } of left) reject(new CcliError('shutting_down'));
    },
  };
}

const isOutOfMemory = (error: Error): boolean => 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
