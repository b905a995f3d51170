/** `ccli doctor --json`, read back. */
import {
  type DoctorFinding,
  type DoctorReport,
  DoctorReportSchema,
} from '../../../../coordinator/doctor/report.ts';
import { ccli } from '../../cli/support/fake-io.ts';

export interface Examined extends DoctorReport {
  readonly exit: number;
  /** Of one check; of one agent or host, where that is said. */
  readonly of: (check: string, about?: Partial<DoctorFinding>) => DoctorFinding[];
}

export async function askDoctor(...argv: readonly string[]): Promise<Examined> {
  const { code, out, err } = await ccli(['doctor', '--json', ...argv]);
  if (err !== '') throw new Error(`the doctor said on stderr: ${err}`);
  return examined(code, out);
}

export function examined(exit: number, out: string): Examined {
  const report = DoctorReportSchema.parse(JSON.parse(out));
  for (const finding of report.checks)
    if (finding.mend === undefined && (finding.outcome === 'warn' || finding.outcome === 'fail'))
      throw new Error(`nothing tells how to mend this: ${JSON.stringify(finding)}`);
  return {
    ...report,
    exit,
    of: (check, about = {}) =>
      report.checks.filter(
        finding =>
          finding.check === check &&
          Object.entries(about).every(([name, value]) =>
            Object.entries(finding).some(([n, v]) => n === name && v === value),
          ),
      ),
  };
}
