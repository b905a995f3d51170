/** A short prompt through a driver, outside of any task: for the debug door, the canary and the compatibility suite. */
import { CcliError } from '../protocol/errors.ts';
import { type Collector, createCollector } from './collector.ts';
import type { Driver, DriverTask } from './drivers/driver.ts';

export interface BriefRun {
  /** Names it in logs and working directories. */
  readonly name: string;
  readonly prompt: string;
  readonly model?: string;
  readonly limit_ms: number;
  readonly max_bytes?: number;
  /** The daemon stops. */
  readonly signal: AbortSignal;
  /** Stops it at its first chunk, or after a while when there is none. */
  readonly interrupt?: { readonly after_ms: number; readonly reason: CcliError };
}

export interface BriefEnd {
  readonly text: string;
  readonly chunks: number;
  readonly run_ms: number;
  readonly first_chunk_ms: number | undefined;
  readonly failure: CcliError | undefined;
  /** The answer was longer than `max_bytes`. */
  readonly cut: boolean;
  /** From the interrupt to the end, if there was one. */
  readonly ending_ms: number | undefined;
}

const MAX_BYTES = 256 * 1024;
/** More than the kill ladder takes: a driver that has not settled by then has broken its word. */
const SETTLE_MS = 20_000;

/** Never rejects: every end is an outcome. */
export async function runBriefly(driver: Driver, options: BriefRun): Promise<BriefEnd> {
  const { name, prompt, model, limit_ms, max_bytes = MAX_BYTES, signal, interrupt: interruption } = options;
  const began = performance.now();
  const since = (): number => Math.round(performance.now() - began);
  const controller = new AbortController();
  const stop = (reason: CcliError): void => {
    controller.abort(reason);
  };
  const onStop = (): void => {
    stop(new CcliError('agent_restarted'));
  };
  let interrupted_at: number | undefined;
  const interrupt = (): void => {
    if (interruption === undefined) return;
    interrupted_at ??= since();
    stop(interruption.reason);
  };
  const timers = [
    setTimeout(() => {
      stop(new CcliError('task_timeout', `The agent gave no whole answer within ${limit_ms / 1000} s.`));
    }, limit_ms),
    setTimeout(interrupt, interruption?.after_ms ?? limit_ms),
  ];
  signal.addEventListener('abort', onStop);
  if (signal.aborted) onStop();
  const answer = createCollector(max_bytes, stop);
  let chunks = 0;
  let first_chunk_ms: number | undefined;
  const onChunk = (text: string): void => {
    chunks += 1;
    first_chunk_ms ??= since();
    answer.add(text);
    interrupt();
  };
  const task: DriverTask = {
    task_id: name,
    attempt: 1,
    prompt,
    tool_policy: 'deny',
    ...(model !== undefined && { model }),
  };
  let failure: CcliError | undefined;
  try {
    await settled(driver.run(task, { onChunk }, controller.signal), controller.signal);
    failure = emptiness(answer);
  } catch (error) {
    failure = error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error });
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener('abort', onStop);
  }
  return {
    text: answer.text(),
    chunks,
    run_ms: since(),
    first_chunk_ms,
    failure: answer.overflow ?? failure,
    cut: answer.overflow !== undefined,
    ending_ms: interrupted_at === undefined ? undefined : since() - interrupted_at,
  };
}

const emptiness = (answer: Collector): CcliError | undefined =>
  answer.text().trim() === '' ? new CcliError('empty_reply') : undefined;

/** The driver's own word, unless it does not keep it after an abort. */
function settled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      timer = setTimeout(() => {
        reject(new CcliError('cli_silent', 'It was told to stop and did not end.', { cause: signal.reason }));
      }, SETTLE_MS);
    };
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}
