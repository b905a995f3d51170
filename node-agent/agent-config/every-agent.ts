/** What every agent of a node's file has, whatever its type. */
import { z } from 'zod';
import { LabelsSchema, NameSchema, SpecialtySchema } from '../../protocol/agent.ts';
import { DEFAULT_TIMEOUT_MS, MAX_PROMPT_BYTES, MAX_TIMEOUT_MS } from '../../protocol/limits.ts';
import { DurationSchema, SizeSchema } from '../../protocol/quantity.ts';

export const commonShape = {
  id: NameSchema,
  timeout: DurationSchema.refine(ms => ms <= MAX_TIMEOUT_MS, 'at most 24h').default(DEFAULT_TIMEOUT_MS),
  max_concurrent: z.int().min(1).max(256).default(2),
  specialty: z
    .union([SpecialtySchema.transform(one => [one]), z.array(SpecialtySchema)])
    .default(['general_ai']),
  priority: z.int().min(-100).max(100).default(0),
  labels: LabelsSchema.default({}),
  max_prompt: SizeSchema.refine(bytes => bytes <= MAX_PROMPT_BYTES, 'at most 32MiB').optional(),
  /** How long a running task may give no sign of life before it is stopped. */
  idle_timeout: DurationSchema.optional(),
};
