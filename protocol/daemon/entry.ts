/**
 * What a daemon's `main.ts` does around its work: signals, exit codes, the end of a parent that started it, and what a
 * service manager is told.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CcliError, ERRORS, toErrorBody } from '../errors.ts';
import { takeServiceVariables } from './environment.ts';
import { createLog } from './log.ts';
import { createServiceManager, type ServiceManager } from './systemd.ts';

export interface Daemon {
  /** Drains, then closes everything. Safe to call twice. */
  stop(): Promise<void>;
  /** Settles when the daemon cannot go on by itself. */
  readonly failed: Promise<CcliError>;
  /** The longest that stopping may take; a service manager waits for so long. */
  readonly stop_limit_ms?: number;
}

/** What a start may tell before it has ended, to whoever watches the service. */
export type ServiceNews = Pick<ServiceManager, 'ready' | 'status'>;

const STOP_LIMIT_MS = 30_000;

/** Whether the module of this `import.meta.url` is the program that was started. */
export function isProgram(url: string): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(url);
}

/**
 * Runs until SIGTERM, SIGINT, the end of a parent, or a failure. A second signal while draining exits at once. The
 * exit code is 0 after an orderly stop, else the failure's own from the error table.
 *
 * Under systemd it is ready once `start` has ended, or says so earlier.
 *
 * Takes `--config FILE`, and `--exit-with-parent`: stop when stdin ends, since whoever started this daemon has gone then.
 */
export async function runDaemon(
  start: (config_file: string | undefined, service: ServiceNews) => Promise<Daemon>,
): Promise<void> {
  const stop = createStopSignal();
  const service = createServiceManager({
    ...takeServiceVariables(),
    log: createLog({ level: 'warn', name: 'service' }),
  });
  try {
    const { config, exit_with_parent } = readArguments();
    if (exit_with_parent) stop.withParent();
    await live(() => start(config, service), { stopAsked: stop.asked, service });
    process.exitCode = 0;
  } catch (error) {
    const { code, message, cause } = toErrorBody(error);
    process.stderr.write(`error ${code}: ${message}${cause === undefined ? '' : ` (${cause})`}\n`);
    process.exitCode = ERRORS[code].exit;
  }
  await service.close();
  // A handle somebody forgot must not keep a stopped daemon alive.
  process.exit();
}

function readArguments(): { config: string | undefined; exit_with_parent: boolean } {
  try {
    const { values } = parseArgs({
      options: { config: { type: 'string' }, 'exit-with-parent': { type: 'boolean', default: false } },
    });
    return { config: values.config, exit_with_parent: values['exit-with-parent'] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CcliError('invalid_request', `${reason} Use --config FILE.`);
  }
}

const STOP = Symbol('stop');

interface StopSignal {
  readonly asked: Promise<typeof STOP>;
  /** The end of stdin asks for it too. */
  withParent(): void;
}

function createStopSignal(): StopSignal {
  let ask = (): void => undefined;
  const asked = new Promise<typeof STOP>(resolve => {
    ask = () => {
      resolve(STOP);
    };
  });
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals > 1) process.exit(ERRORS.cancelled.exit);
    ask();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    asked,
    withParent() {
      process.stdin.on('end', ask);
      process.stdin.on('error', ask);
      process.stdin.resume();
    },
  };
}

interface Life {
  readonly stopAsked: Promise<typeof STOP>;
  readonly service: ServiceManager;
}

/** @throws CcliError why the daemon could not start, or could not go on */
async function live(start: () => Promise<Daemon>, { stopAsked, service }: Life): Promise<void> {
  const starting = start();
  const daemon = await Promise.race([starting, stopAsked]);
  if (daemon === STOP) {
    // Stopped while still starting, most often while waiting for NATS: nothing of ours runs yet, and how the start
    // ends does not matter any more.
    starting.catch(() => undefined);
    return;
  }
  service.ready();
  const end = await Promise.race([stopAsked, daemon.failed]);
  service.stopping(daemon.stop_limit_ms ?? STOP_LIMIT_MS);
  await daemon.stop();
  if (end !== STOP) throw end;
}
