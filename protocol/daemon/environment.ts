/** What a service manager tells a daemon by its environment. */
import type { Environment } from './settings.ts';

export interface ServiceVariables {
  /** Where it listens for news of the daemon; undefined when nobody does. */
  readonly notify_socket: string | undefined;
  /** How long it may hear nothing before it ends the daemon; undefined when it does not watch this process. */
  readonly watchdog_us: number | undefined;
  /** Where programs are looked for. */
  readonly path: string | undefined;
}

const NAMES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/**
 * Reads them once and takes them out: no child of the daemon is meant to have them, since one that did could speak for
 * it.
 */
export function takeServiceVariables(
  environment: Record<string, string | undefined> = process.env,
  pid: number = process.pid,
): ServiceVariables {
  const found = readServiceVariables(environment, pid);
  for (const name of NAMES) Reflect.deleteProperty(environment, name);
  return found;
}

function readServiceVariables(environment: Environment, pid: number): ServiceVariables {
  const [socket, period, watched] = NAMES.map(name => environment[name]);
  const watchdog_us = Number(period);
  const is_watched = watched === undefined || watched === '' || Number(watched) === pid;
  return {
    notify_socket: socket === '' ? undefined : socket,
    watchdog_us: Number.isSafeInteger(watchdog_us) && watchdog_us > 0 && is_watched ? watchdog_us : undefined,
    path: environment['PATH'],
  };
}
