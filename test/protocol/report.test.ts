import { expect, test } from 'vitest';
import { type Report, ReportSchema, reportId } from '../../protocol/report.ts';

const base = { v: 1, node: 'walnut', instance_id: 'i1', task_id: 't1', attempt: 2 } as const;
const finished = {
  ...base,
  kind: 'finished',
  outcome: 'completed',
  completeness: 'whole',
  run_ms: 1,
  warm: true,
} as const;

test.each<[Report, string]>([
  [{ ...base, kind: 'started' }, 't1.2.started'],
  [{ ...base, kind: 'slice', index: 3, data: 'YQ==' }, 't1.2.slice.3'],
  [finished, 't1.2.finished'],
])('a report has one id however often it is sent (%#)', (report, id) => {
  expect(reportId(report)).toBe(id);
  expect(reportId(ReportSchema.parse({ ...report, instance_id: 'i2' }))).toBe(id);
});

test('different reports of a task have different ids', () => {
  const reports: Report[] = [1, 2].flatMap(attempt => [
    { ...base, attempt, kind: 'started' as const },
    { ...finished, attempt },
    ...[0, 1, 10].map(index => ({ ...base, attempt, kind: 'slice' as const, index, data: '' })),
  ]);
  expect(new Set(reports.map(reportId)).size).toBe(reports.length);
});

test('reports of two tasks that had one id after the other have different ids', () => {
  const reports: Report[] = [undefined, 4, 9].flatMap(seq => [
    { ...base, seq, kind: 'started' as const },
    { ...finished, seq },
    { ...base, seq, kind: 'slice' as const, index: 0, data: '' },
  ]);
  expect(new Set(reports.map(reportId)).size).toBe(reports.length);
});

test.each([
  { ...base, kind: 'vanished' },
  { ...base, kind: 'started', attempt: 0 },
  { ...base, kind: 'started', task_id: '../etc' },
  { ...base, kind: 'slice', index: -1, data: '' },
  { ...finished, outcome: 'perhaps' },
  { ...finished, text: { inline: 'a', ref: undefined }, run_ms: -1 },
])('a report that does not fit is refused (%#)', report => {
  expect(ReportSchema.safeParse(report).success).toBe(false);
});
