/** From what a caller sends to a task that is durable, or to the reason why it was not accepted. */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { WIRE_VERSION } from '../protocol/codec.ts';
import { CcliError, fromErrorBody } from '../protocol/errors.ts';
import { MAX_PROMPT_BYTES, SUBMIT_WAIT_MS } from '../protocol/limits.ts';
import type { SubmitRequest } from '../protocol/operation.ts';
import { type TaskOptions, TaskOptionsSchema, type TaskRequest } from '../protocol/task.ts';
import { cut, fitsInline, type Text } from '../protocol/text.ts';
import type { CallContext } from './caller.ts';
import { assess } from './core/placement.ts';
import type { Fleet } from './fleet.ts';
import { lookUp } from './lookup.ts';
import type { Mirror, TaskEntry } from './mirror.ts';
import type { TaskStore } from './store.ts';

interface SubmitOptions {
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly fleet: Fleet;
  readonly activate: () => void;
}

export type Submit = (request: SubmitRequest, context: CallContext) => Promise<TaskEntry>;

const LOOK_AGAIN_MS = 100;

export function createSubmit({ store, mirror, fleet, activate }: SubmitOptions): Submit {
  /** The task an id already names, if it is the same request. @throws CcliError `idempotency_conflict` */
  const existing = async (wanted: TaskRequest): Promise<TaskEntry | undefined> => {
    const found = await store.request(wanted.task_id);
    if (found === undefined) return undefined;
    if (!isDeepStrictEqual(found.request, wanted)) {
      throw new CcliError(
        'idempotency_conflict',
        `Task ${wanted.task_id} is a different request; use a new task id or idempotency key.`,
      );
    }
    return await lookUp(store, mirror, wanted.task_id);
  };

  const create = async (request: TaskRequest): Promise<TaskEntry | undefined> => {
    try {
      const revision = await store.createRequest(request);
      if (revision === undefined) return await existing(request);
      mirror.apply({ record: 'request', request, revision, created_at_ms: Date.now() });
      return mirror.get(request.task_id);
    } catch (error) {
      // The write may have been done all the same: what the store holds decides.
      if (!(error instanceof CcliError) || error.code !== 'store_unavailable') throw error;
      const written = await existing(request).catch((failure: unknown) => {
        if (failure instanceof CcliError && failure.code === 'idempotency_conflict') throw failure;
        throw error;
      });
      if (written === undefined) throw error;
      return written;
    }
  };

  return async (submitted, { caller, signal }) => {
    const { prompt_bytes, prompt, slices } = await readPrompt(submitted, store);
    const options = TaskOptionsSchema.parse(submitted);
    const task_id = submitted.task_id ?? taskIdFor(caller, submitted.idempotency_key);
    if (mirror.get(task_id) === undefined) await placeable(fleet, options, prompt_bytes, signal);
    const request: TaskRequest = { v: WIRE_VERSION, task_id, caller, prompt, prompt_bytes, options };
    // Slices go by the task's id: those of a task that is there already must not be overwritten.
    const before = slices.length === 0 ? undefined : await existing(request);
    if (before === undefined) await storeSlices(store, task_id, slices);
    const entry = before ?? (await create(request));
    if (entry === undefined)
      throw new CcliError('store_unavailable', 'The task was stored but cannot be read back.');
    activate();
    return entry;
  };
}

interface ReadPrompt {
  readonly prompt_bytes: number;
  /** What the request is to hold. */
  readonly prompt: Text;
  /** What does not fit into it and is still to be stored. */
  readonly slices: readonly Uint8Array[];
}

async function readPrompt(
  { prompt, prompt_ref, task_id }: SubmitRequest,
  store: TaskStore,
): Promise<ReadPrompt> {
  if (prompt === undefined && prompt_ref !== undefined) {
    if (task_id === undefined) {
      throw new CcliError(
        'invalid_request',
        'prompt_ref needs the task_id under which its slices were uploaded.',
      );
    }
    checkSize(prompt_ref.size_bytes);
    checkText(await store.verifyPrompt(task_id, prompt_ref));
    return { prompt_bytes: prompt_ref.size_bytes, prompt: { ref: prompt_ref }, slices: [] };
  }
  if (prompt === undefined || prompt_ref !== undefined) {
    throw new CcliError('invalid_request', 'Give exactly one of prompt and prompt_ref.');
  }
  checkText(prompt);
  const bytes = new TextEncoder().encode(prompt);
  checkSize(bytes.byteLength);
  const prompt_bytes = bytes.byteLength;
  if (fitsInline(prompt)) return { prompt_bytes, prompt: { inline: prompt }, slices: [] };
  const slices = cut(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const ref = { slices: slices.length, size_bytes: prompt_bytes, sha256 };
  return { prompt_bytes, prompt: { ref }, slices };
}

async function storeSlices(store: TaskStore, task_id: string, slices: readonly Uint8Array[]): Promise<void> {
  for (const [index, slice] of slices.entries()) await store.putPromptSlice(task_id, index, slice);
}

function checkText(prompt: string): void {
  if (prompt.trim() === '') throw new CcliError('prompt_empty');
  if (prompt.includes('\0')) throw new CcliError('prompt_has_nul');
}

function checkSize(bytes: number): void {
  if (bytes <= MAX_PROMPT_BYTES) return;
  throw new CcliError(
    'prompt_too_large',
    `The prompt has ${bytes} bytes; ${MAX_PROMPT_BYTES} is the most any agent takes.`,
  );
}

/** Waits while an agent that fits may still appear; refuses what no agent of the fleet can do. */
async function placeable(
  fleet: Fleet,
  options: TaskOptions,
  prompt_bytes: number,
  signal: AbortSignal,
): Promise<void> {
  for (let waited_ms = 0; ; waited_ms += LOOK_AGAIN_MS) {
    const assessment = assess({ options, prompt_bytes }, fleet.candidates(new Map()));
    if (assessment.verdict === 'accept') return;
    const late = waited_ms >= SUBMIT_WAIT_MS || signal.aborted;
    if (assessment.verdict === 'undecided' && late) return;
    if (assessment.verdict === 'refuse' && (fleet.settled || late)) throw fromErrorBody(assessment.error);
    await delay(LOOK_AGAIN_MS);
  }
}

/** The same key of the same caller is the same task; without one, every submit is a task of its own. */
function taskIdFor(caller: string, idempotency_key: string | undefined): string {
  if (idempotency_key === undefined) return `t${randomBytes(10).toString('hex')}`;
  const digest = createHash('sha256')
    .update(JSON.stringify([caller, idempotency_key]))
    .digest('hex');
  return `i${digest.slice(0, 40)}`;
}
