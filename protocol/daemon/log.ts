/** Structured logs: one JSON event a line on stderr, so that stdout stays free for answers. */
import { type BaseLogger, type DestinationStream, destination, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** The narrow interface the code logs through. `event` is a stable name; `fields` never hold a prompt or a secret. */
export interface Log {
  debug(event: string, fields?: Record<string, unknown>): void;
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
  child(fields: Record<string, unknown>): Log;
}

interface LogOptions {
  readonly level: LogLevel;
  /** Which daemon speaks. */
  readonly name: string;
  readonly to?: DestinationStream;
}

export function createLog({ level, name, to = destination(2) }: LogOptions): Log {
  const logger = pino(
    {
      level,
      name,
      base: { name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      errorKey: 'error',
    },
    to,
  );
  return wrap(logger);
}

type Child = BaseLogger & { child(fields: Record<string, unknown>): Child };

function wrap(logger: Child): Log {
  return {
    debug: (event, fields) => {
      logger.debug({ event, ...fields });
    },
    info: (event, fields) => {
      logger.info({ event, ...fields });
    },
    warn: (event, fields) => {
      logger.warn({ event, ...fields });
    },
    error: (event, fields) => {
      logger.error({ event, ...fields });
    },
    child: fields => wrap(logger.child(fields)),
  };
}

/** What of an error belongs into a log: its code and text, and those of its cause. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? { error_code: error.code } : {};
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {};
  return { ...code, error: error.message, ...cause };
}
