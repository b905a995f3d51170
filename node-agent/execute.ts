/** One attempt, from its request to the report of how it ended. Never rejects: every end is an outcome. */
import { MAX_TERM_CHARS } from '../protocol/agent.ts';
import { WIRE_VERSION } from '../protocol/codec.ts';
import type { RunRequest } from '../protocol/control.ts';
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import { pieces } from '../protocol/output.ts';
import type { FinishedReport } from '../protocol/report.ts';
import type { Agent } from './agent.ts';
import { createCollector } from './collector.ts';
import { type Said, saidIn } from './conversation.ts';
import { narrower } from './core/policy.ts';
import type { DriverResult, DriverTask } from './drivers/driver.ts';
import type { IncomingText } from './incoming.ts';
import type { AttemptId, OutboxEntry } from './journal.ts';
import { createWatchdog } from './watchdog.ts';

/** Who speaks: the head of every report. */
export interface Speaker {
  readonly node: string;
  readonly instance_id: string;
}

interface ExecuteOptions extends Speaker {
  readonly request: RunRequest;
  readonly agent: Agent;
  /** Set when the prompt comes as slices. */
  readonly incoming: IncomingText | undefined;
  /** Aborted by a cancel or by the end of the daemon, with a `CcliError`; here also by the timeout. */
  readonly controller: AbortController;
  readonly max_output_bytes: number;
  readonly onStart: () => void;
  readonly onChunk: (n: number, text: string) => void;
}

/** How long an accepted attempt waits for the rest of a long prompt. */
const SLICES_TIMEOUT_MS = 30_000;

export async function execute(options: ExecuteOptions): Promise<OutboxEntry> {
  const { request, agent, controller } = options;
  const began = performance.now();
  const abort = (reason: CcliError): void => {
    controller.abort(reason);
  };
  const collected = createCollector(options.max_output_bytes, abort);
  const disarm = armLimits(request, agent.config.timeout, abort);
  const { idle_timeout } = agent.config;
  const watchdog = createWatchdog(idle_timeout, () => {
    abort(silent(agent.config.id, idle_timeout ?? 0));
  });
  let first_chunk_ms: number | undefined;
  let chunks = 0;
  let result: DriverResult | undefined;
  let failure: CcliError | undefined;
  try {
    const said = saidIn(await promptOf(options), request);
    options.onStart();
    const onChunk = (text: string): void => {
      watchdog.alive();
      const kept = collected.add(text);
      if (kept === undefined) return;
      first_chunk_ms ??= Math.round(performance.now() - began);
      for (const piece of pieces(kept)) {
        options.onChunk(chunks, piece);
        chunks += 1;
      }
    };
    watchdog.start();
    const callbacks = { onChunk, onActivity: watchdog.alive };
    result = await agent.driver.run(driverTask(request, agent, said), callbacks, controller.signal);
    const empty = result.empty_as_asked !== true && collected.text().trim() === '';
    failure = collected.overflow ?? (empty ? new CcliError('empty_reply') : undefined);
  } catch (error) {
    failure = collected.overflow ?? asCcliError(error);
  } finally {
    disarm();
    watchdog.stop();
  }
  const run_ms = Math.round(performance.now() - began);
  // Before the report goes out: whoever reads it must not find the agent free for the next task.
  await agent.learn({
    failure,
    run_ms,
    first_chunk_ms,
    own_model: request.model !== undefined && request.model !== agent.config.model,
    own_timeout: request.timeout_ms !== undefined,
  });
  const { cli_version } = agent.status();
  return {
    report: {
      ...reportHead(options, request),
      ...outcomeOf(failure),
      completeness: failure === undefined ? (result?.completeness ?? 'unknown') : 'partial',
      ...(result?.usage !== undefined && { usage: result.usage }),
      ...(result?.model !== undefined && { model: result.model.slice(0, MAX_TERM_CHARS) }),
      ...(cli_version !== undefined && { cli_version }),
      run_ms,
      ...(first_chunk_ms !== undefined && { first_chunk_ms }),
      warm: result?.warm ?? false,
      ...(result?.load_ms !== undefined && { load_ms: result.load_ms }),
    },
    // What came before a failure is kept only where the failure is about its length.
    ...((failure === undefined || failure.code === 'output_too_large') && { text: collected.text() }),
  };
}

/** The report of an attempt of which nothing is left but that it failed. */
export const bareFailure = (speaker: Speaker, id: AttemptId, failure: CcliError): OutboxEntry => ({
  report: {
    ...reportHead(speaker, id),
    ...outcomeOf(failure),
    completeness: 'partial',
    run_ms: 0,
    warm: false,
  },
});

/** The attempt's own timeout and its task's deadline, whichever is earlier. */
function armLimits(
  { timeout_ms, deadline_ms }: Pick<RunRequest, 'timeout_ms' | 'deadline_ms'>,
  default_timeout_ms: number,
  abort: (reason: CcliError) => void,
): () => void {
  const limit_ms = timeout_ms ?? default_timeout_ms;
  const reason =
    deadline_ms !== undefined && deadline_ms <= limit_ms
      ? new CcliError('deadline_passed')
      : new CcliError(
          'task_timeout',
          `The attempt took longer than ${limit_ms / 1000} s; allow it more (--timeout, timeout_ms, or x-ccli-timeout-s at /v1).`,
        );
  // A timeout is at most a day, so no timer is set for longer than it can hold.
  const timer = setTimeout(
    () => {
      abort(reason);
    },
    Math.min(limit_ms, deadline_ms ?? limit_ms),
  );
  return () => {
    clearTimeout(timer);
  };
}

const silent = (agent_id: string, idle_ms: number): CcliError =>
  new CcliError(
    'cli_silent',
    `The CLI gave no sign of life for ${idle_ms / 1000} s and was stopped; run the prompt again, or raise idle_timeout of agent "${agent_id}" on its node.`,
  );

const promptOf = ({ request, incoming, controller }: ExecuteOptions): Promise<string> => {
  if ('inline' in request.prompt) return Promise.resolve(request.prompt.inline);
  if (incoming === undefined) throw new CcliError('internal', 'A prompt in slices has nowhere to arrive.');
  return incoming.whole(SLICES_TIMEOUT_MS, controller.signal);
};

const driverTask = (request: RunRequest, agent: Agent, said: Said): DriverTask => ({
  task_id: request.task_id,
  attempt: request.attempt,
  ...said,
  ...(request.model !== undefined && { model: request.model }),
  ...(request.generation !== undefined && { generation: request.generation }),
  tool_policy: narrower(agent.config.tool_policy, request.tool_policy),
  ...(request.cold !== undefined && { cold: request.cold }),
});

const reportHead = ({ node, instance_id }: Speaker, { task_id, attempt, seq }: AttemptId) =>
  ({ v: WIRE_VERSION, kind: 'finished', node, instance_id, task_id, attempt, seq }) as const;

const outcomeOf = (failure: CcliError | undefined): Pick<FinishedReport, 'outcome' | 'error'> =>
  failure === undefined
    ? { outcome: 'completed' }
    : { outcome: failure.code === 'cancelled' ? 'cancelled' : 'failed', error: toErrorBody(failure) };

const asCcliError = (error: unknown): CcliError =>
  error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error });
