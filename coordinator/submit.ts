/** From what a caller sends to a task that is durable, or to the reason why it was not accepted. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { WIRE_VERSION } from '../protocol/codec.ts';
import { CcliError, fromErrorBody } from '../protocol/errors.ts';
import { MAX_PROMPT_BYTES, SUBMIT_WAIT_MS } from '../protocol/limits.ts';
import type { SubmitRequest } from '../protocol/operation.ts';
import { TaskOptionsSchema, type TaskRequest } from '../protocol/task.ts';
import { cut, fitsInline, type Text, type TextRef } from '../protocol/text.ts';
import type { CallContext } from './caller.ts';
import { checkPrompt } from './check-prompt.ts';
import { assess } from './core/assess.ts';
import type { Demand } from './core/placement.ts';
import type { Fleet } from './fleet.ts';
import { lookUp } from './lookup.ts';
import type { Mirror } from './mirror.ts';
import type { Planner } from './planner.ts';
import type { TaskStore } from './store.ts';
import type { Need, StoreUsage } from './store-usage.ts';
import type { TaskEntry } from './task-entry.ts';
import { newTaskId } from './task-id.ts';

interface SubmitOptions {
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly fleet: Fleet;
  readonly planner: Pick<Planner, 'chain'>;
  readonly usage: Pick<StoreUsage, 'refusal' | 'count'>;
  readonly activate: () => void;
}

export type Submit = (request: SubmitRequest, context: CallContext) => Promise<TaskEntry>;

const LOOK_AGAIN_MS = 100;

export function createSubmit({ store, mirror, fleet, planner, usage, activate }: SubmitOptions): Submit {
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
    checkConversation(submitted);
    const { conversation } = submitted;
    const { prompt_bytes, prompt, slices } = readPrompt(submitted);
    const options = TaskOptionsSchema.parse(submitted);
    const task_id = submitted.task_id ?? taskIdFor(caller, submitted.idempotency_key);
    const demand = { options, prompt_bytes, chain: planner.chain(options) };
    if (mirror.get(task_id) === undefined) await placeable(fleet, demand, signal);
    const request: TaskRequest = {
      v: WIRE_VERSION,
      task_id,
      caller,
      prompt,
      ...(conversation !== undefined && { conversation }),
      prompt_bytes,
      options,
    };
    const need = needOf(request);
    const refusal = mirror.get(task_id) === undefined ? usage.refusal(need) : undefined;
    // What is there already needs no room, and its slices need not be stored again.
    const looked = 'ref' in prompt || refusal !== undefined;
    const before = looked ? await existing(request) : undefined;
    if (before === undefined && refusal !== undefined) throw refusal;
    if (before === undefined) {
      usage.count(need);
      if ('ref' in prompt)
        await store.putPrompt(task_id, prompt.ref, slices ?? (await uploaded(store, request, prompt.ref)));
    }
    const entry = before ?? (await create(request));
    if (entry === undefined)
      throw new CcliError('store_unavailable', 'The task was stored but cannot be read back.');
    activate();
    return entry;
  };
}

function checkConversation({ conversation, session_id }: SubmitRequest): void {
  if (conversation === undefined || session_id === undefined) return;
  throw new CcliError(
    'invalid_request',
    'A session puts what was said before in front of its prompts itself: give one of conversation and session_id, not both.',
  );
}

interface ReadPrompt {
  readonly prompt_bytes: number;
  /** What the request is to hold. */
  readonly prompt: Text;
  /** What does not fit into it and is still to be stored; undefined when it was uploaded. */
  readonly slices: readonly Uint8Array[] | undefined;
}

function readPrompt({ prompt, prompt_ref, task_id, conversation }: SubmitRequest): ReadPrompt {
  if (prompt === undefined && prompt_ref !== undefined) {
    if (task_id === undefined) {
      throw new CcliError(
        'invalid_request',
        'prompt_ref needs the task_id under which its slices were uploaded.',
      );
    }
    checkSize(prompt_ref.size_bytes);
    return { prompt_bytes: prompt_ref.size_bytes, prompt: { ref: prompt_ref }, slices: undefined };
  }
  if (prompt === undefined || prompt_ref !== undefined) {
    throw new CcliError('invalid_request', 'Give exactly one of prompt and prompt_ref.');
  }
  checkPrompt(prompt, conversation === true);
  const bytes = new TextEncoder().encode(prompt);
  checkSize(bytes.byteLength);
  const prompt_bytes = bytes.byteLength;
  if (fitsInline(prompt)) return { prompt_bytes, prompt: { inline: prompt }, slices: [] };
  const slices = cut(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const ref = { slices: slices.length, size_bytes: prompt_bytes, sha256 };
  return { prompt_bytes, prompt: { ref }, slices };
}

async function uploaded(
  store: TaskStore,
  { task_id, conversation }: TaskRequest,
  ref: TextRef,
): Promise<readonly Uint8Array[]> {
  const { text, slices } = await store.uploaded(task_id, ref);
  checkPrompt(text, conversation === true);
  return slices;
}

/** Besides its texts, a request costs its options and its name, and a slice its name and the mark of its end. */
const RECORD_BYTES = 1024;

const needOf = ({ prompt, prompt_bytes }: TaskRequest): Need =>
  'ref' in prompt
    ? { tasks: RECORD_BYTES, blobs: prompt_bytes + prompt.ref.slices * RECORD_BYTES }
    : { tasks: RECORD_BYTES + prompt_bytes, blobs: 0 };

function checkSize(bytes: number): void {
  if (bytes <= MAX_PROMPT_BYTES) return;
  throw new CcliError(
    'prompt_too_large',
    `The prompt has ${bytes} bytes; ${MAX_PROMPT_BYTES} is the most any agent takes.`,
  );
}

/** Waits while an agent that fits may still appear; refuses what no agent of the fleet can do. */
async function placeable(fleet: Fleet, demand: Demand, signal: AbortSignal): Promise<void> {
  for (let waited_ms = 0; ; waited_ms += LOOK_AGAIN_MS) {
    const assessment = assess(demand, fleet.candidates(new Map()));
    if (assessment.verdict === 'accept') return;
    const late = waited_ms >= SUBMIT_WAIT_MS || signal.aborted;
    if (assessment.verdict === 'undecided' && late) return;
    if (assessment.verdict === 'refuse' && (fleet.settled || late)) throw fromErrorBody(assessment.error);
    await delay(LOOK_AGAIN_MS);
  }
}

/** The same key of the same caller is the same task; without one, every submit is a task of its own. */
function taskIdFor(caller: string, idempotency_key: string | undefined): string {
  if (idempotency_key === undefined) return newTaskId();
  const digest = createHash('sha256')
    .update(JSON.stringify([caller, idempotency_key]))
    .digest('hex');
  return `i${digest.slice(0, 40)}`;
}
