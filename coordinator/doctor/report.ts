/** What `ccli doctor --json` prints. */
import { z } from 'zod';
import { FindingSchema, WorstSchema, worstOf } from '../../protocol/finding.ts';

export const DoctorFindingSchema = FindingSchema.extend({
  /** A node, or the host that was named; absent for what was looked at from here. */
  host: z.string().max(255).optional(),
});
export type DoctorFinding = z.infer<typeof DoctorFindingSchema>;

export const DoctorReportSchema = z.object({
  worst: WorstSchema,
  checks: z.array(DoctorFindingSchema),
  /** Somebody had enough: what had not ended by then is `skipped`. */
  interrupted: z.literal(true).optional(),
});
export type DoctorReport = z.infer<typeof DoctorReportSchema>;

export const reportOf = (checks: readonly DoctorFinding[], interrupted: boolean): DoctorReport => ({
  worst: worstOf(checks),
  checks: [...checks],
  ...(interrupted && { interrupted: true as const }),
});
