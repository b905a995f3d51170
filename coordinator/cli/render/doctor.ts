/** What the doctor has found, for people: a heading a host, a line a finding, and what to do below it. */
import type { Outcome } from '../../../protocol/finding.ts';
import type { DoctorFinding, DoctorReport } from '../../doctor/report.ts';
import { safeForTerminal } from '../output.ts';
import type { Colors } from './colors.ts';

const WORDS: Readonly<Record<Outcome, string>> = { ok: 'ok', skipped: 'skip', warn: 'warn', fail: 'FAIL' };
const OUTCOME_WIDTH = Math.max(...Object.values(WORDS).map(word => word.length)) + 2;
const INDENT = '  ';

export function doctorReport({ checks, interrupted }: DoctorReport, colors: Colors): string {
  const groups = new Map<string | undefined, DoctorFinding[]>();
  for (const finding of checks) groups.set(finding.host, [...(groups.get(finding.host) ?? []), finding]);
  const width = Math.max(0, ...checks.map(finding => subject(finding).length)) + 2;
  const parts = [...groups].map(
    ([host, findings]) =>
      `${colors.bold(host === undefined ? 'from here' : safeForTerminal(host))}\n${findings
        .map(finding => line(finding, width, colors))
        .join('')}`,
  );
  return `${parts.join('\n')}\n${summary(checks, interrupted === true, colors)}\n`;
}

const subject = ({ check, agent_id }: DoctorFinding): string =>
  agent_id === undefined ? check : `${check} ${agent_id}`;

function line(finding: DoctorFinding, width: number, colors: Colors): string {
  const { outcome, says, mend, code } = finding;
  const word = colored(outcome, colors)(WORDS[outcome].padEnd(OUTCOME_WIDTH));
  const margin = ' '.repeat(INDENT.length + OUTCOME_WIDTH + width);
  const text = (words: string): string => safeForTerminal(words).replaceAll('\n', `\n${margin}`);
  const named = code === undefined || outcome === 'ok' ? '' : colors.dim(` [${code}]`);
  const below = mend === undefined ? '' : `${margin}${colors.cyan(text(mend))}\n`;
  return `${INDENT}${word}${subject(finding).padEnd(width)}${text(says)}${named}\n${below}`;
}

function colored(outcome: Outcome, { green, yellow, red, dim }: Colors): (text: string) => string {
  return { ok: green, skipped: dim, warn: yellow, fail: red }[outcome];
}

function summary(checks: readonly DoctorFinding[], interrupted: boolean, colors: Colors): string {
  const count = (outcome: Outcome): number => checks.filter(one => one.outcome === outcome).length;
  const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  const [good, warned, failed, left] = [count('ok'), count('warn'), count('fail'), count('skipped')];
  const parts = [
    colors.green(`${good} ok`),
    ...(warned > 0 ? [colors.yellow(plural(warned, 'warning'))] : []),
    ...(failed > 0 ? [colors.red(plural(failed, 'failure'))] : []),
    ...(left > 0 ? [colors.dim(`${left} skipped`)] : []),
  ];
  return `${parts.join(', ')}${interrupted ? '; interrupted' : ''}`;
}
