/** What a node says about an attempt, through the report stream: started, slices of a long answer, finished. */
import { z } from 'zod';
import { NameSchema } from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { answerShape, TaskIdSchema, TransportSchema } from './task.ts';
import { SliceDataSchema, TextSchema } from './text.ts';

const base = {
  v: z.int().positive(),
  node: NameSchema,
  instance_id: z.string().min(1).max(64),
  task_id: TaskIdSchema,
  attempt: z.int().positive(),
  /** As in the run request: a report of an earlier task of this id says nothing about the one there is now. */
  seq: z.int().nonnegative().optional(),
  /** Set by the coordinator that passed it on: the node itself had no NATS. */
  transport: TransportSchema.optional(),
};

export const StartedReportSchema = z.object({ ...base, kind: z.literal('started') });

/** Sent before the `finished` that refers to it. */
export const SliceReportSchema = z.object({
  ...base,
  kind: z.literal('slice'),
  index: z.int().nonnegative(),
  data: SliceDataSchema,
});

/** How an attempt ended. Implies all reports before it. */
export const FinishedReportSchema = z.object({
  ...base,
  kind: z.literal('finished'),
  outcome: z.enum(['completed', 'failed', 'cancelled']),
  /** The answer; of a failure, what came before it, when that is worth keeping. */
  text: TextSchema.optional(),
  error: ErrorBodySchema.optional(),
  ...answerShape,
});
export type FinishedReport = z.infer<typeof FinishedReportSchema>;

export const ReportSchema = z.discriminatedUnion('kind', [
  StartedReportSchema,
  SliceReportSchema,
  FinishedReportSchema,
]);
export type Report = z.infer<typeof ReportSchema>;

/** The message id that lets the stream drop a report sent twice. */
export function reportId(report: Report): string {
  const step = report.kind === 'slice' ? `slice.${report.index}` : report.kind;
  const task = report.seq === undefined ? report.task_id : `${report.task_id}.${report.seq}`;
  return `${task}.${report.attempt}.${step}`;
}
