/** What a request of either API asks for, in our words, and the task that it becomes. */
import { z } from 'zod';
import type { Generation } from '../../../protocol/generation.ts';
import { MAX_TIMEOUT_MS } from '../../../protocol/limits.ts';
import type { SubmitRequest } from '../../../protocol/operation.ts';
import type { JsonWish } from './json-format.ts';
import type { Said } from './messages.ts';
import { ParameterError } from './parameter-error.ts';

export interface Ask {
  /** As the client named it. */
  readonly model: string;
  readonly said: Said;
  readonly generation: Generation;
  /** The answer ends before the first of them. */
  readonly stop: readonly string[];
  readonly json?: JsonWish;
  readonly stream: boolean;
  /** Parameters that were given for the sampling: not every agent can be told them. */
  readonly sampling: readonly string[];
  /** Parameters that were given and have no effect. */
  readonly without_effect: readonly string[];
}

/** A prompt alone goes as it is, the way every other door sends it. */
export function promptOf({
  instructions,
  turns,
  prompt,
}: Said): Pick<SubmitRequest, 'prompt' | 'conversation'> {
  if (instructions === undefined && turns.length === 0) return { prompt };
  return {
    prompt: JSON.stringify({
      ...(instructions !== undefined && { instructions }),
      turns,
      dropped: 0,
      prompt,
    }),
    conversation: true,
  };
}

const TimeoutSchema = z.coerce
  .number()
  .positive()
  .max(MAX_TIMEOUT_MS / 1000);
const PrioritySchema = z.coerce.number().int().min(-100).max(100);

/** The official clients send any header, but refuse to send a field they do not know. */
export const EXTENSIONS = { timeout_s: 'x-ccli-timeout-s', priority: 'x-ccli-priority' } as const;

/** @throws ParameterError `invalid_request` */
export function extensionsOf(
  header: (name: string) => string | undefined,
): Pick<SubmitRequest, 'timeout_ms' | 'priority'> {
  const read = (name: string, schema: z.ZodType<number>, takes: string): number | undefined => {
    const text = header(name)?.trim();
    if (text === undefined || text === '') return undefined;
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new ParameterError('invalid_request', name, `The header ${name} takes ${takes}.`);
  };
  const timeout_s = read(
    EXTENSIONS.timeout_s,
    TimeoutSchema,
    'the seconds that one attempt may take, up to a day',
  );
  const priority = read(EXTENSIONS.priority, PrioritySchema, 'a whole number from -100 to 100');
  return {
    ...(timeout_s !== undefined && { timeout_ms: Math.max(1, Math.round(timeout_s * 1000)) }),
    ...(priority !== undefined && { priority }),
  };
}
