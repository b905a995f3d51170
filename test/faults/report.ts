/** The verdict as a person reads it. */
import type { Verdict } from './audit.ts';

const SHOWN = 20;

export const holds = (verdict: Verdict): boolean => verdict.checks.every(({ faults }) => faults.length === 0);

export function render(verdict: Verdict): string {
  const { accepted, ends, refused, gemini_tasks, repeated_attempts, fault_counts, checks, odd_attempts } =
    verdict;
  const ended = ends.completed + ends.failed + ends.cancelled;
  const figures: readonly (readonly [string, string | number])[] = [
    ['accepted', accepted],
    ['ended', ended],
    ['  completed', ends.completed],
    ['  failed', ends.failed],
    ['  cancelled', ends.cancelled],
    ['submits given up', refused],
    ['tasks on the real gemini', gemini_tasks],
    ['attempts repeated', repeated_attempts],
    ['  of them for no injected fault', odd_attempts.length],
  ];
  return [
    ...figures.map(row),
    ...shown(odd_attempts),
    '',
    'faults',
    ...[...fault_counts].map(([kind, count]) => row([`  ${kind}`, count])),
    '',
    'checks',
    ...checks.flatMap(({ name, faults }) => [
      row([`  ${name}`, `${faults.length}${faults.length === 0 ? '' : '  FAILED'}`]),
      ...shown(faults),
    ]),
    '',
  ].join('\n');
}

const shown = (lines: readonly string[]): string[] => [
  ...lines.slice(0, SHOWN).map(line => `      ${line}`),
  ...(lines.length > SHOWN ? [`      and ${lines.length - SHOWN} more`] : []),
];

const row = ([name, value]: readonly [string, string | number]): string => `${name.padEnd(56)}${value}`;
