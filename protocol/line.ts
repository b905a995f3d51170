/**
 * The same protocol over another wire: one JSON document a line, over whatever carries bytes both ways. SSH does, for a
 * node that NATS does not connect: `ccli node-agent exec --stdio` speaks it on stdin and stdout.
 *
 *     coordinator                                     node
 *                  <── hello ──────────────────────────      first, once
 *                  <── advert ─────────────────────────      at once, then as on NATS
 *     request run ──>
 *                  <── reply ──────────────────────────      by its id, in any order
 *                  <── chunk, chunk, … ────────────────
 *                  <── report ─────────────────────────      kept on the node's disk until
 *     ack ────────>                                          the report stream has it
 *
 * A line that ends takes nothing with it: attempts go on, and what was not acknowledged is sent again over the next line,
 * or over NATS when that is back.
 */
import { z } from 'zod';
import { AdvertSchema } from './advert.ts';
import { NameSchema } from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';
import { ChunkSchema } from './output.ts';
import { ReportSchema } from './report.ts';

/** The endpoints of a node that are there on a line as well; bodies and replies are those of NATS, see `control.ts`. */
export const LINE_VERBS = [
  'run',
  'slice',
  'cancel',
  'status',
  'drain',
  'probe',
  'verify',
  'configure',
] as const;
export const LineVerbSchema = z.enum(LINE_VERBS);
export type LineVerb = z.infer<typeof LineVerbSchema>;

/** A message of NATS, and what is around it here. */
export const MAX_LINE_BYTES = MAX_MESSAGE_BYTES + 4_096;

/** Counts up within a line. */
const RequestIdSchema = z.int().nonnegative();

export const ToNodeSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('request'),
    v: z.int().positive(),
    id: RequestIdSchema,
    verb: LineVerbSchema,
    body: z.unknown(),
  }),
  /** The report stream has it; `id` as it came with the report. */
  z.object({ kind: z.literal('ack'), v: z.int().positive(), id: z.string().min(1).max(255) }),
]);
export type ToNode = z.infer<typeof ToNodeSchema>;

export const FromNodeSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hello'),
    v: z.int().positive(),
    node: NameSchema,
    instance_id: z.string().min(1).max(64),
    version: z.string().max(64),
    /** `stand_in`: the node's daemon is away, and this process has taken its state directory until it is back. */
    role: z.enum(['daemon', 'stand_in']),
  }),
  z.object({ kind: z.literal('advert'), v: z.int().positive(), advert: AdvertSchema }),
  z.object({ kind: z.literal('chunk'), v: z.int().positive(), chunk: ChunkSchema }),
  z.object({
    kind: z.literal('report'),
    v: z.int().positive(),
    /** `reportId`. */
    id: z.string().min(1).max(255),
    report: ReportSchema,
  }),
  z.object({ kind: z.literal('reply'), v: z.int().positive(), id: RequestIdSchema, reply: z.unknown() }),
  z.object({
    kind: z.literal('error'),
    v: z.int().positive(),
    /** Of the request that failed; absent when the whole line did, which then ends. */
    id: RequestIdSchema.optional(),
    error: ErrorBodySchema,
  }),
]);
export type FromNode = z.infer<typeof FromNodeSchema>;
