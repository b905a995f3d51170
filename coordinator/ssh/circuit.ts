/** Keeps from hammering a host that is away: pauses that grow, and after a few failures in a row none are made at all. */
import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  retry,
} from 'cockatiel';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import { codeOf, isCcliError, seconds } from './failure.ts';

const RETRIES = 2;
const FIRST_PAUSE_MS = 200;
const FAILURES_IN_A_ROW = 3;
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 30_000;

export interface Circuit {
  /** @throws whatever `connect` throws; while the circuit is open, its last error at once */
  run<T>(connect: () => Promise<T>, signal: AbortSignal): Promise<T>;
  readonly isOpen: () => boolean;
}

/** @param random for the jitter: hosts that were lost together are not all tried at the same moment */
export function createCircuit(host: string, random: () => number): Circuit {
  /** Half of the pause is certain, half is jitter. */
  const jittered = (
    attempt: number | undefined,
    { maxDelay, initialDelay, exponent }: Growth,
  ): [number, number] => {
    const n = attempt ?? 0;
    const pause = Math.min(maxDelay, initialDelay * exponent ** n);
    return [pause / 2 + (pause / 2) * random(), n + 1];
  };
  const again = retry(handleWhen(mayPassSoon), {
    maxAttempts: RETRIES,
    backoff: new ExponentialBackoff({ generator: jittered, initialDelay: FIRST_PAUSE_MS, maxDelay: 2_000 }),
  });
  let rest_until_ms = 0;
  let last: unknown;
  const breaker = circuitBreaker(
    handleWhen(error => isCcliError(error) && !OF_OUR_OWN.includes(error.code)),
    {
      breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW),
      halfOpenAfter: new ExponentialBackoff({
        generator: (attempt: number | undefined, growth: Growth): [number, number] => {
          const [rest, next] = jittered(attempt, growth);
          rest_until_ms = performance.now() + rest;
          return [rest, next];
        },
        initialDelay: FIRST_REST_MS,
        maxDelay: LONGEST_REST_MS,
      }),
    },
  );
  return {
    async run(connect, signal) {
      try {
        return await breaker.execute(() => again.execute(connect, signal), signal);
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) {
          last = error;
          throw error;
        }
        throw leftAlone(host, last, Math.max(rest_until_ms - performance.now(), 0));
      }
    },
    isOpen: () => breaker.state === CircuitState.Open,
  };
}

/** The host has nothing to do with these. */
const OF_OUR_OWN: readonly ErrorCode[] = ['cancelled', 'ssh_config_unsupported', 'invalid_request'];

interface Growth {
  readonly maxDelay: number;
  readonly initialDelay: number;
  readonly exponent: number;
}

/** A server that is just starting, or has its hands full. */
const mayPassSoon = (error: Error): boolean =>
  isCcliError(error, 'ssh_unreachable') &&
  !['ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'].includes(codeOf(error.cause) ?? '');

function leftAlone(host: string, last: unknown, rest_ms: number): CcliError {
  const said = last instanceof CcliError ? last : undefined;
  return new CcliError(
    said?.code ?? 'ssh_unreachable',
    `${said?.message ?? `${host} cannot be reached.`} It failed so often that it is left alone for ${seconds(Math.max(rest_ms, 100))}.`,
    { cause: said?.cause ?? last, retry_after_ms: rest_ms },
  );
}
