/** Submits the planned tasks when their time comes, and cancels those that are to be cancelled. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { SubmitRequest } from '../../protocol/operation.ts';
import { askUntilAnswered } from './caller.ts';
import type { PlannedTask } from './schedule.ts';
import { writePrompt } from './script.ts';

export interface Submitted {
  readonly n: number;
  /** As the replies named it: more than one would be two tasks for one key. */
  readonly task_ids: readonly string[];
  readonly cancel_asked: boolean;
}

export interface SubmitLog {
  readonly submitted: Submitted[];
  /** What asking was answered with instead, and how often. */
  readonly errors: ReadonlyMap<ErrorCode, number>;
}

interface SubmitOptions {
  readonly connection: NatsConnection;
  /** Sets the tasks of one run apart from those of another. */
  readonly seed: number;
  /** How long after its planned moment a submit is still tried. */
  readonly patience_ms: number;
  readonly signal: AbortSignal;
}

const CANCEL_PATIENCE_MS = 15_000;

export async function submitAll(
  tasks: readonly PlannedTask[],
  { connection, seed, patience_ms, signal }: SubmitOptions,
): Promise<SubmitLog> {
  const began = performance.now();
  const errors = new Map<ErrorCode, number>();
  const onError = (code: ErrorCode): void => {
    errors.set(code, (errors.get(code) ?? 0) + 1);
  };

  const submit = async (task: PlannedTask): Promise<Submitted> => {
    const { n } = task.script;
    await delay(Math.max(task.at_ms - (performance.now() - began), 0), undefined, { signal });
    const until_ms = performance.now() + patience_ms;
    const request = requestOf(task, seed);
    const replies = await Promise.all(
      (task.twice ? [1, 2] : [1]).map(() =>
        askUntilAnswered(connection, 'submit', request, { until_ms, onError }),
      ),
    );
    const task_ids = [...new Set(replies.flatMap(reply => reply?.task_id ?? []))];
    const [task_id] = task_ids;
    if (task.cancel_after_ms === undefined || task_id === undefined)
      return { n, task_ids, cancel_asked: false };
    await delay(task.cancel_after_ms, undefined, { signal });
    await askUntilAnswered(
      connection,
      'cancel',
      { task_id },
      { until_ms: performance.now() + CANCEL_PATIENCE_MS, onError, final: new Set(['task_unknown']) },
    );
    return { n, task_ids, cancel_asked: true };
  };
  return { submitted: await Promise.all(tasks.map(submit)), errors };
}

function requestOf(task: PlannedTask, seed: number): SubmitRequest {
  const { script, lane, named_by, ballast_bytes, max_attempts } = task;
  const name = `faults-${seed}-${script.n}`;
  return {
    ...(named_by === 'task_id' ? { task_id: name } : { idempotency_key: name }),
    prompt: writePrompt(script, ballast_bytes),
    labels: { lane },
    ...(max_attempts !== undefined && { max_attempts }),
  };
}
