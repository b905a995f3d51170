/** What a CLI tells of the model's work when a prompt ends; none of it is in the stable protocol. */
import { z } from 'zod';
import type { Usage } from '../../../protocol/task.ts';
import { readUsage } from '../../core/usage.ts';

const ToldSchema = z.object({
  usage: z.unknown().optional(),
  _meta: z
    .object({
      usage: z.unknown().optional(),
      /** gemini and codex: which models came to the end of an answer. */
      quota: z
        .object({
          token_count: z.unknown().optional(),
          model_usage: z.array(z.object({ model: z.string() })),
        })
        .optional()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
});

export interface Told {
  readonly usage: Usage | undefined;
  /** Undefined where the CLI does not tell. */
  readonly models: readonly string[] | undefined;
}

export function readTold(response: unknown): Told {
  const { usage, _meta } = ToldSchema.safeParse(response).data ?? {};
  const quota = _meta?.quota;
  return {
    usage: readUsage(usage) ?? readUsage(quota?.token_count) ?? readUsage(_meta?.usage),
    models: quota?.model_usage.map(({ model }) => model),
  };
}

/** qwen tells the count of each call to the model beside a piece of the answer. */
export const usageOf = (meta: unknown): Usage | undefined => {
  const parsed = z.object({ usage: z.unknown().optional() }).safeParse(meta);
  return parsed.success ? readUsage(parsed.data.usage) : undefined;
};
