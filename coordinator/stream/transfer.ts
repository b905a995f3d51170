/** Prompts and answers of any length: inline when they fit a message, else slice by slice. */
import { createHash } from 'node:crypto';
import { CcliError } from '../../protocol/errors.ts';
import { MAX_PROMPT_BYTES } from '../../protocol/limits.ts';
import type { SubmitRequest, TaskView } from '../../protocol/operation.ts';
import type { TaskOptions } from '../../protocol/task.ts';
import { cut, fitsInline, join, type TextRef } from '../../protocol/text.ts';
import type { CallContext } from '../caller.ts';
import type { Operations } from '../operations.ts';
import { isUnclear } from './unclear.ts';

/** Slices under way at a time: enough to hide the round trip, few enough to stay below what a server buffers. */
const IN_FLIGHT = 4;
const SUBMIT_TRIES = 3;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export interface Submission {
  readonly task_id: string;
  readonly prompt: string;
  readonly options: TaskOptions;
}

interface SubmitContext extends CallContext {
  /** Aborts while nothing is submitted yet: the upload. */
  readonly beforeSubmit?: AbortSignal;
  /** From here on the task may exist. */
  readonly onSubmit?: () => void;
}

/** Asks again under the same id when no answer came: the id makes that harmless. */
export async function submitPrompt(
  operations: Operations,
  { task_id, prompt, options }: Submission,
  context: SubmitContext,
): Promise<TaskView> {
  const text = fitsInline(prompt) ? { prompt } : await upload(operations, task_id, prompt, context);
  context.beforeSubmit?.throwIfAborted();
  context.onSubmit?.();
  const request: SubmitRequest = { ...options, task_id, ...text };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operations.submit(request, context);
    } catch (error) {
      if (attempt >= SUBMIT_TRIES || !isUnclear(error)) throw error;
    }
  }
}

async function upload(
  operations: Operations,
  task_id: string,
  prompt: string,
  { caller, signal, beforeSubmit }: SubmitContext,
): Promise<{ prompt_ref: TextRef }> {
  const bytes = new TextEncoder().encode(prompt);
  if (bytes.byteLength > MAX_PROMPT_BYTES) {
    throw new CcliError(
      'prompt_too_large',
      `The prompt has ${bytes.byteLength} bytes; ${MAX_PROMPT_BYTES} is the most any agent takes.`,
    );
  }
  const slices = cut(bytes);
  await inFlight(slices.length, async index => {
    const slice = slices[index];
    if (slice === undefined) return;
    const data = Buffer.from(slice).toString('base64');
    const either = beforeSubmit === undefined ? signal : AbortSignal.any([signal, beforeSubmit]);
    await again(() => operations.upload({ task_id, index, data }, { caller, signal: either }));
  });
  return { prompt_ref: { slices: slices.length, size_bytes: bytes.byteLength, sha256: sha256(bytes) } };
}

/** The whole answer of a task; undefined when it has none. */
export async function wholeResponse(
  operations: Operations,
  view: TaskView,
  context: CallContext,
): Promise<string | undefined> {
  const ref = view.response_ref;
  if (ref === undefined) return view.response;
  const slices: Uint8Array[] = [];
  await inFlight(ref.slices, async index => {
    const { data } = await again(() => operations.download({ task_id: view.task_id, index }, context));
    slices[index] = Buffer.from(data, 'base64');
  });
  return join(slices, ref, sha256);
}

/** A slice is the same however often it is sent or fetched. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isUnclear(error)) throw error;
    return await work();
  }
}

async function inFlight(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, count) }, lane));
}
