/**
 * What a daemon tells systemd of itself, as `Type=notify` has it. Node has no datagram sockets, so the program
 * `systemd-notify` carries the messages: one of them at a time, and what gathers meanwhile goes with the next. That takes
 * `NotifyAccess=all`, since a child speaks for the daemon.
 *
 * Nothing here ever stops a daemon: where a message cannot be sent, that is logged once, and it is sent again with what
 * comes next, or after a while: a host that is busy for a moment must not make a daemon that is up look as if it were not.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServiceVariables } from './environment.ts';
import { errorFields, type Log } from './log.ts';
import { withinLimit } from './within-limit.ts';

export interface ServiceManager {
  /** It is up: units that wait for it go on. Only the first call counts. */
  ready(status?: string): void;
  /** A line for people, in `systemctl status`. Never a secret. */
  status(text: string): void;
  /** It winds up, which may take so long. */
  stopping(limit_ms: number): void;
  /** Sends what is left, if that is soon done. */
  close(): Promise<void>;
}

interface Options extends ServiceVariables {
  readonly log: Log;
  readonly send?: (variables: readonly string[]) => Promise<void>;
}

/** While starting takes long, it is said again and again that it goes on: `TimeoutStartSec` then does not end it. */
const START_TURN_MS = 20_000;
const START_EXTENSION_US = 60_000_000;
const SEND_LIMIT_MS = 10_000;
const AGAIN_MS = 5_000;
const CLOSE_LIMIT_MS = 1_000;

export function createServiceManager({
  notify_socket,
  watchdog_us,
  path,
  log,
  send,
}: Options): ServiceManager {
  if (notify_socket === undefined) return NOBODY;
  const deliver = send ?? (variables => notify(notify_socket, path, variables));
  const waiting = new Map<string, string>();
  let is_ready = false;
  let has_failed = false;
  let sending: Promise<void> | undefined;
  let again: NodeJS.Timeout | undefined;
  let is_closed = false;

  const drain = async (): Promise<void> => {
    clearTimeout(again);
    while (waiting.size > 0) {
      const news = [...waiting];
      waiting.clear();
      try {
        await deliver(news.map(([name, value]) => `${name}=${value}`));
      } catch (error) {
        if (!has_failed) log.warn('service_manager_not_told', errorFields(error));
        has_failed = true;
        // A sign of life is of its moment.
        const lost = news.filter(([name]) => name !== 'WATCHDOG' && !waiting.has(name));
        for (const [name, value] of lost) waiting.set(name, value);
        if (!is_closed) again = setTimeout(retry, AGAIN_MS).unref();
        break;
      }
    }
    sending = undefined;
  };
  const retry = (): void => {
    sending ??= drain();
  };
  const tell = (news: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(news)) waiting.set(name, value);
    retry();
  };

  // Timers of the event loop: one that is blocked tells nothing, which is what the watchdog is there to find out. They
  // hang on nothing else, least of all on NATS: an outage is no reason to kill running tools.
  const starting = setInterval(() => {
    tell({ EXTEND_TIMEOUT_USEC: String(START_EXTENSION_US) });
  }, START_TURN_MS);
  // A third: one message may be late or lost.
  const period_ms = watchdog_us === undefined ? undefined : Math.max(1, Math.floor(watchdog_us / 3_000));
  const watchdog =
    period_ms === undefined
      ? undefined
      : setInterval(() => {
          tell({ WATCHDOG: '1' });
        }, period_ms);
  starting.unref();
  watchdog?.unref();

  return {
    ready(status) {
      clearInterval(starting);
      if (is_ready) return;
      is_ready = true;
      tell({ READY: '1', ...(status !== undefined && { STATUS: oneLine(status) }) });
    },
    status(text) {
      tell({ STATUS: oneLine(text) });
    },
    stopping(limit_ms) {
      clearInterval(starting);
      tell({ STOPPING: '1', STATUS: 'winding up', EXTEND_TIMEOUT_USEC: String(limit_ms * 1_000) });
    },
    async close() {
      clearInterval(starting);
      clearInterval(watchdog);
      is_closed = true;
      clearTimeout(again);
      if (sending !== undefined) await withinLimit(sending, CLOSE_LIMIT_MS);
    },
  };
}

const NOBODY: ServiceManager = {
  ready: () => undefined,
  status: () => undefined,
  stopping: () => undefined,
  close: () => Promise.resolve(),
};

/** A message has one variable a line. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').slice(0, 200);

async function notify(socket: string, path: string | undefined, variables: readonly string[]): Promise<void> {
  const environment = { NOTIFY_SOCKET: socket, ...(path !== undefined && { PATH: path }) };
  const options = { env: environment, timeout: SEND_LIMIT_MS, killSignal: 'SIGKILL' } as const;
  await promisify(execFile)('systemd-notify', variables, options);
}
