/** What `POST /api/tasks` takes, and the submit that it means. */
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';
import { MAX_TIMEOUT_MS } from '../../../protocol/limits.ts';
import type { SubmitRequest } from '../../../protocol/operation.ts';
import { SubmitRequestSchema } from '../../../protocol/operation.ts';

/** What `wait: true` means, and the most it may be given as a number. */
const WAIT_S = 600;
const MAX_WAIT_S = 3_600;

export const TaskRequestSchema = SubmitRequestSchema.omit({
  coordination: true,
  retry_of: true,
  prompt_ref: true,
})
  .extend({
    prompt: z.string(),
    timeout_s: z
      .number()
      .positive()
      .max(MAX_TIMEOUT_MS / 1000)
      .optional()
      .describe('Longest one attempt may take, in seconds; or give timeout_ms.'),
    wait: z
      .union([z.boolean(), z.number().nonnegative().max(MAX_WAIT_S)])
      .optional()
      .describe(
        `Answer with the end of the task, or after so many seconds with the task as it stands; true is ${WAIT_S} s.`,
      ),
  })
  .strict()
  .refine(({ timeout_s, timeout_ms }) => timeout_s === undefined || timeout_ms === undefined, {
    path: ['timeout_s'],
    error: 'give timeout_s or timeout_ms, not both',
  })
  .meta({
    id: 'TaskRequest',
    description: 'Only `prompt` is needed; each option that is absent leaves the choice to ccli.',
  });
type TaskRequest = z.infer<typeof TaskRequestSchema>;

export const IdempotencyHeaderSchema = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('Makes the request repeatable: the same key of the same caller is the same task.'),
});

interface Asked {
  readonly submit: SubmitRequest;
  /** How long the caller wants to wait for the end; undefined: not at all. */
  readonly wait_ms: number | undefined;
}

/** @throws CcliError `invalid_request` when header and body name different keys */
export function readTaskRequest(body: TaskRequest, key: string | undefined): Asked {
  const { wait, timeout_s, idempotency_key = key, ...rest } = body;
  if (key !== undefined && key !== idempotency_key) {
    throw new CcliError(
      'invalid_request',
      'The header Idempotency-Key and the field idempotency_key differ; give one of them.',
    );
  }
  return {
    submit: {
      ...rest,
      ...(idempotency_key !== undefined && { idempotency_key }),
      ...(timeout_s !== undefined && { timeout_ms: Math.max(1, Math.round(timeout_s * 1000)) }),
    },
    wait_ms: waitOf(wait),
  };
}

function waitOf(wait: TaskRequest['wait']): number | undefined {
  if (wait === undefined || wait === false || wait === 0) return undefined;
  return wait === true ? WAIT_S * 1000 : Math.ceil(wait * 1000);
}
