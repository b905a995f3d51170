/** The judgement: what the store, the events and the tools' own log say, held against each other. */
import { isTerminal } from '../../protocol/task.ts';
import type { Evidence, StoredTask } from './evidence.ts';
import { isExplained } from './explain.ts';
import { FAULT_KINDS, type FaultKind, TOOL_FAULTS, type ToolFault, WORLD_FAULTS } from './kinds.ts';
import type { Run } from './run-log.ts';

export interface Check {
  readonly name: string;
  /** One line for each thing that should not be. */
  readonly faults: readonly string[];
}

export interface Verdict {
  readonly accepted: number;
  readonly ends: Readonly<Record<'completed' | 'failed' | 'cancelled', number>>;
  readonly refused: number;
  readonly gemini_tasks: number;
  readonly repeated_attempts: number;
  readonly fault_counts: ReadonlyMap<FaultKind, number>;
  readonly checks: readonly Check[];
  /** Attempts of tasks that went well in the end, whose errors no injected fault explains: worth a look. */
  readonly odd_attempts: readonly string[];
}

const GEMINI_SHARE = 0.1;

export function audit(evidence: Evidence): Verdict {
  const { submitted, stored, runs } = evidence;
  const by_id = new Map(stored.map(task => [task.task_id, task]));
  const promised = submitted.flatMap(({ task_ids }) => task_ids);
  const accepted = new Set([...promised, ...by_id.keys()]);
  const ends = endsOf(stored);
  const gemini_tasks = new Set(runs.filter(run => run.by === 'model').map(run => run.n)).size;
  const fault_counts = countFaults(evidence);
  const check = (name: string, faults: readonly string[]): Check => ({ name, faults });
  return {
    accepted: accepted.size,
    ends,
    refused: submitted.filter(({ task_ids }) => task_ids.length === 0).length,
    gemini_tasks,
    repeated_attempts: stored.reduce((sum, task) => sum + Math.max(0, attemptsOf(task) - 1), 0),
    fault_counts,
    odd_attempts: evidence.stored.flatMap(task =>
      task.states.at(-1)?.status === 'failed' ? [] : unexplainedAttempts(task, evidence),
    ),
    checks: [
      check('lost', lost(promised, by_id)),
      check('not ended', notEnded(stored)),
      check('with two ends', twoEnds(evidence)),
      check('two tasks for one key', twoTasks(evidence)),
      check('results that differ from what the tool wrote', differing(evidence)),
      check('failures without an injected fault', unexplained(evidence)),
      check('cancelled though nobody asked', uncalled(evidence)),
      check('attempts that ran twice', ranTwice(evidence)),
      check('daemons that ended, or did not end, by themselves', evidence.surprises),
      check('processes left', evidence.left),
      check('fault kinds that came too seldom', tooSeldom(evidence, fault_counts)),
      check(
        `tasks on the real gemini below ${GEMINI_SHARE * 100} %`,
        gemini_tasks < accepted.size * GEMINI_SHARE ? [`${gemini_tasks} of ${accepted.size}`] : [],
      ),
    ],
  };
}

const attemptsOf = (task: StoredTask): number => task.states.at(-1)?.attempts.length ?? 0;

function endsOf(stored: readonly StoredTask[]): Verdict['ends'] {
  const ends = { completed: 0, failed: 0, cancelled: 0 };
  for (const task of stored) {
    const status = task.states.at(-1)?.status;
    if (status === 'completed' || status === 'failed' || status === 'cancelled') ends[status] += 1;
  }
  return ends;
}

/** A reply said that it was there, and it is not. */
const lost = (promised: readonly string[], by_id: ReadonlyMap<string, StoredTask>): string[] =>
  [...new Set(promised)].filter(task_id => !by_id.has(task_id));

const notEnded = (stored: readonly StoredTask[]): string[] =>
  stored.flatMap(task => {
    const last = task.states.at(-1);
    if (last !== undefined && isTerminal(last.status)) return [];
    const attempt = last?.attempts.at(-1);
    const where = attempt === undefined ? '' : `, attempt ${attempt.attempt} on ${attempt.agent_id}`;
    return [`${task.task_id} (task ${task.n}): ${last?.status ?? 'queued, never assigned'}${where}`];
  });

function twoEnds({ stored, told }: Evidence): string[] {
  const after = stored.flatMap(task => {
    const end = task.states.findIndex(({ status }) => isTerminal(status));
    if (end === -1 || end === task.states.length - 1) return [];
    const story = task.states.slice(end).map(({ status }) => status);
    return [`${task.task_id}: ${story.join(', then ')}`];
  });
  const ends = new Map<string, Set<string>>();
  for (const { task_id, status } of told) ends.set(task_id, (ends.get(task_id) ?? new Set()).add(status));
  for (const task of stored) {
    const status = task.states.at(-1)?.status;
    if (status !== undefined && isTerminal(status)) ends.get(task.task_id)?.add(status);
  }
  const contradicted = [...ends].flatMap(([task_id, statuses]) =>
    statuses.size < 2 ? [] : [`${task_id}: the events tell of ${[...statuses].join(' and ')}`],
  );
  return [...after, ...contradicted];
}

function twoTasks({ submitted, stored }: Evidence): string[] {
  const answered = submitted.flatMap(({ n, task_ids }) =>
    task_ids.length < 2 ? [] : [`task ${n}: ${task_ids.join(', ')}`],
  );
  const by_number = new Map<number, string[]>();
  for (const { n, task_id } of stored) by_number.set(n, [...(by_number.get(n) ?? []), task_id]);
  const doubled = [...by_number].flatMap(([n, ids]) =>
    ids.length < 2 ? [] : [`task ${n} is stored as ${ids.join(', ')}`],
  );
  return [...answered, ...doubled];
}

function differing({ stored, runs }: Evidence): string[] {
  const written = new Map<number, Set<string>>();
  for (const run of runs)
    if (run.sha256 !== undefined) written.set(run.n, (written.get(run.n) ?? new Set()).add(run.sha256));
  return stored.flatMap(task => {
    const last = task.states.at(-1);
    if (last?.status !== 'completed') return [];
    const { result } = task;
    const name = `${task.task_id} (task ${task.n})`;
    if (result === undefined) return [`${name}: completed without a result`];
    if (result.problem !== undefined) return [`${name}: ${result.problem}`];
    if (result.attempt !== last.result_attempt)
      return [
        `${name}: the result is of attempt ${result.attempt}, the state says ${last.result_attempt ?? 'none'}`,
      ];
    if (written.get(task.n)?.has(result.sha256) === true) return [];
    return [`${name}: no run wrote these ${result.bytes} bytes`];
  });
}

function unexplained(evidence: Evidence): string[] {
  return evidence.stored.flatMap(task => {
    const last = task.states.at(-1);
    if (last?.status !== 'failed') return [];
    // A failure before any attempt is nobody's injected fault.
    if (last.attempts.every(({ error_code }) => error_code === undefined))
      return [`${nameOf(task, evidence)}: ${last.error_code ?? 'no error'} without an attempt`];
    return unexplainedAttempts(task, evidence);
  });
}

const unexplainedAttempts = (task: StoredTask, evidence: Evidence): string[] =>
  (task.states.at(-1)?.attempts ?? []).flatMap(attempt => {
    const code = attempt.error_code;
    if (code === undefined || isExplained({ task, attempt, code }, evidence)) return [];
    return [
      `${nameOf(task, evidence)}: attempt ${attempt.attempt} on ${attempt.agent_id} failed with ${code}`,
    ];
  });

const nameOf = (task: StoredTask, { lanes }: Evidence): string =>
  `${task.task_id} (task ${task.n}, ${lanes[task.n] ?? 'unknown'})`;

function uncalled({ stored, submitted }: Evidence): string[] {
  const asked = new Set(submitted.filter(({ cancel_asked }) => cancel_asked).map(({ n }) => n));
  return stored.flatMap(task =>
    task.states.at(-1)?.status === 'cancelled' && !asked.has(task.n) ? [task.task_id] : [],
  );
}

/** The model may be asked again by the CLI; a tool is started once for each attempt. */
function ranTwice({ stored, runs }: Evidence): string[] {
  const began = new Map<number, number>();
  for (const run of runs) if (run.by !== 'model') began.set(run.n, (began.get(run.n) ?? 0) + 1);
  return stored.flatMap(task => {
    const count = began.get(task.n) ?? 0;
    return count <= attemptsOf(task)
      ? []
      : [`${task.task_id} (task ${task.n}): ${count} runs, ${attemptsOf(task)} attempts`];
  });
}

const FAULT_RUNS: Readonly<Record<ToolFault, (run: Run) => boolean>> = {
  tool_crashed: run => run.kind === 'crash' && run.by.endsWith('-plain'),
  tool_hung: run => run.kind === 'hang' && run.by.endsWith('-plain'),
  tool_empty: run => run.kind === 'empty' && run.by.endsWith('-plain'),
  tool_garbled: run => run.kind === 'garbage' && run.by.endsWith('-plain'),
  acp_crashed: run => run.kind === 'crash' && run.by.endsWith('-acp'),
  acp_hung: run => run.kind === 'hang' && run.by.endsWith('-acp'),
  acp_empty: run => run.kind === 'empty' && run.by.endsWith('-acp'),
  acp_garbled: run => run.kind === 'garbage' && run.by.endsWith('-acp'),
  model_429: run => run.kind === 'limited',
  model_503: run => run.kind === 'overloaded',
};

function countFaults({ faults, runs, submitted }: Evidence): Map<FaultKind, number> {
  return new Map<FaultKind, number>([
    ...WORLD_FAULTS.map(kind => [kind, faults.filter(fault => fault.kind === kind).length] as const),
    ...TOOL_FAULTS.map(kind => [kind, runs.filter(FAULT_RUNS[kind]).length] as const),
    ['cancelled', submitted.filter(({ cancel_asked }) => cancel_asked).length],
  ]);
}

const tooSeldom = ({ required }: Evidence, counts: ReadonlyMap<FaultKind, number>): string[] =>
  FAULT_KINDS.flatMap(kind => {
    const wanted = required[kind] ?? 0;
    const count = counts.get(kind) ?? 0;
    return count >= wanted ? [] : [`${kind}: ${count}, not ${wanted}`];
  });
