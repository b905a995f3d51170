/** One short prompt to one agent, through the whole fleet, with its times. */
import { randomUUID } from 'node:crypto';
import { CcliError, type ErrorBody, toErrorBody } from '../../../protocol/errors.ts';
import type { AgentView, TaskView } from '../../../protocol/operation.ts';
import { callContext, type FleetContext } from '../fleet/context.ts';

export type PromptResult =
  | { readonly ended: 'completed'; readonly took_ms: number; readonly first_chunk_ms: number | undefined }
  | { readonly ended: 'failed'; readonly took_ms: number; readonly error: ErrorBody };

const PROMPT = 'Reply with the one word: pong';

/** What a prompt may take: a large model may have to be loaded first. */
export const PROMPT_LIMIT_MS = 120_000;
const QUEUE_LIMIT_MS = 30_000;

type Asked = Pick<AgentView, 'agent_id'>;

/** Rejects only when `signal` aborts; the task is cancelled then. */
export async function sendTinyPrompt(
  { access, clock, parting }: Pick<FleetContext, 'access' | 'clock' | 'parting'>,
  { agent_id }: Asked,
  signal: AbortSignal,
): Promise<PromptResult> {
  const { operations } = access;
  const task_id = `doctor-${randomUUID()}`;
  const began = clock();
  try {
    const view = await operations.run(
      {
        task_id,
        prompt: PROMPT,
        agent_id,
        tool_policy: 'deny',
        max_attempts: 1,
        max_queue_ms: QUEUE_LIMIT_MS,
        timeout_ms: PROMPT_LIMIT_MS,
        deadline_ms: PROMPT_LIMIT_MS + QUEUE_LIMIT_MS,
        wait_ms: PROMPT_LIMIT_MS + QUEUE_LIMIT_MS,
      },
      callContext(signal),
    );
    return resultOf(view, clock() - began);
  } catch (error) {
    if (!signal.aborted) return { ended: 'failed', took_ms: clock() - began, error: toErrorBody(error) };
    // Nobody waits for how that ends: the task's own deadline ends it in any case.
    const unheard = callContext(new AbortController().signal);
    parting.add(operations.cancel({ task_id }, unheard).catch(() => undefined));
    throw error;
  }
}

function resultOf(view: TaskView, took_ms: number): PromptResult {
  const { status, error, first_chunk_ms } = view;
  if (status === 'completed') return { ended: 'completed', took_ms, first_chunk_ms };
  const why = error ?? toErrorBody(new CcliError(status === 'cancelled' ? 'cancelled' : 'wait_timeout'));
  return { ended: 'failed', took_ms, error: why };
}
