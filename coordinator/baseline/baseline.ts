/**
 * What `ccli bench` measured, as it is saved: series of samples, each with the conditions it was taken under. The samples
 * themselves are kept, so that a later baseline can be compared with them by whatever is thought right by then.
 */
import { z } from 'zod';
import { ErrorCodeSchema } from '../../protocol/errors.ts';

export const BASELINE_VERSION = 1;

/**
 * - `warm`: an agent as tasks find it, its process up or its model loaded.
 * - `cold`: in a process started for the one prompt.
 * - `concurrent`: as `warm`, several prompts at a time.
 * - `ssh_connect`: a new connection to a host, up to being let in.
 * - `ssh_command`: a command that does nothing, over a connection that is open.
 * - `ssh_cli`: the CLI on a host, run over such a connection without any fleet.
 */
export const SERIES_KINDS = ['warm', 'cold', 'concurrent', 'ssh_connect', 'ssh_command', 'ssh_cli'] as const;
export type SeriesKind = (typeof SERIES_KINDS)[number];

const SamplesSchema = z.array(z.number().nonnegative());

export const SeriesSchema = z.object({
  /** An agent's id, or a host as `ssh` calls it. */
  subject: z.string().min(1),
  kind: z.enum(SERIES_KINDS),
  at_a_time: z.int().positive(),
  /** What the figures depend on: series are compared only where all of this agrees. */
  conditions: z.record(z.string(), z.string()),
  /** Told with the figures; a difference is worth a word, and no reason not to compare. */
  versions: z.record(z.string(), z.string()),
  /** Milliseconds of each run that succeeded, until the whole answer was there. */
  whole_ms: SamplesSchema,
  /** Until its first piece; shorter where an answer came in one. */
  first_chunk_ms: SamplesSchema,
  /** How many runs failed, by code; none of their times is in the samples. */
  failures: z.partialRecord(ErrorCodeSchema, z.int().positive()),
  /** Runs that were left out after several failures in a row. */
  not_run: z.int().nonnegative(),
  /** From the first start to the last end. */
  wall_ms: z.number().nonnegative(),
});
export type Series = z.infer<typeof SeriesSchema>;

export const BaselineSchema = z.object({
  v: z.literal(BASELINE_VERSION),
  name: z.string().min(1),
  taken_at: z.iso.datetime(),
  ccli_version: z.string(),
  prompt_bytes: z.int().positive(),
  series: z.array(SeriesSchema),
  /** What could not be measured, and why. */
  notes: z.array(z.string()),
});
export type Baseline = z.infer<typeof BaselineSchema>;
