/** Tasks for people: one in detail, many in a table. */
import type { TaskSummary, TaskView } from '../../../protocol/operation.ts';
import { isTerminal, type TaskStatus } from '../../../protocol/task.ts';
import { chainText } from '../fallback-chain.ts';
import type { Colors } from './colors.ts';
import { age, duration, size } from './quantity.ts';
import { properties, table } from './table.ts';

function coloured(status: TaskStatus, { green, red, yellow, cyan }: Colors): string {
  switch (status) {
    case 'completed':
      return green(status);
    case 'failed':
      return red(status);
    case 'cancelled':
      return yellow(status);
    case 'queued':
    case 'assigned':
    case 'running':
      return cyan(status);
  }
}

export function taskTable(tasks: readonly TaskSummary[], colors: Colors, now_ms: number): string {
  const head = ['TASK', 'STATUS', 'AGENT', 'NODE', 'ATTEMPTS', 'PROMPT', 'CREATED', 'ERROR'];
  const rows = tasks.map(task => [
    task.task_id,
    coloured(task.status, colors),
    task.agent_id ?? '-',
    task.node ?? '-',
    String(task.attempts),
    size(task.prompt_bytes),
    age(task.created_at_ms, now_ms),
    task.error?.code ?? '',
  ]);
  return table(head, rows, colors);
}

export function taskDetails(view: TaskView, colors: Colors, now_ms: number): string {
  const facts = properties(
    [
      ['task', view.task_id],
      ['status', coloured(view.status, colors)],
      ['waiting for', view.waiting_for],
      ['agent', view.agent_id],
      ['node', view.node],
      ['transport', view.transport === 'ssh' ? 'over ssh' : undefined],
      ['fallback', view.fallback?.why],
      ['suspect', view.suspect === true ? colors.yellow(suspicion(view)) : undefined],
      ['model', view.model ?? view.options.model],
      ['asked for', asked(view)],
      ['prompt', size(view.prompt_bytes)],
      ['answer', answer(view)],
      ['completeness', view.completeness === 'unknown' ? 'unknown (the tool does not tell)' : undefined],
      ['created', age(view.created_at_ms, now_ms)],
      [isTerminal(view.status) ? 'ended' : 'updated', age(view.updated_at_ms, now_ms)],
      ['ran for', view.execution_time_ms === undefined ? undefined : duration(view.execution_time_ms)],
      [
        'first chunk',
        view.first_chunk_ms === undefined ? undefined : `after ${duration(view.first_chunk_ms)}`,
      ],
      ['model loaded', view.load_ms === undefined ? undefined : `in ${duration(view.load_ms)}`],
      ['started', view.warm === undefined ? undefined : view.warm ? 'warm' : 'cold'],
      ['tokens', tokens(view)],
      ['version', view.cli_version],
      ['caller', view.caller],
      ['retry of', view.options.retry_of],
      ['stop', stop(view)],
      [
        'error',
        view.error === undefined ? undefined : colors.red(`${view.error.code}: ${view.error.message}`),
      ],
      ['cause', view.error?.cause],
    ],
    colors,
  );
  if (view.attempts.length === 0) return facts;
  const attempts = table(
    ['ATTEMPT', 'AGENT', 'NODE', 'OUTCOME', 'WHY THIS AGENT'],
    view.attempts.map((attempt, index) => [
      String(attempt.attempt),
      attempt.agent_id,
      attempt.transport === 'ssh' ? `${attempt.node} (over ssh)` : attempt.node,
      attempt.error?.code ?? (index === view.attempts.length - 1 ? view.status : '-'),
      attempt.why ?? '-',
    ]),
    colors,
  );
  return `${facts}\n${attempts}`;
}

/** Worth a word: the node was not there over NATS, or is not meant to be. */
export const roundabout = ({ node, transport }: TaskView): string | undefined =>
  transport === 'ssh' ? `${node ?? 'its node'} was reached over ssh` : undefined;

/** Who stood in for the agents that were to come first, and why. */
export const standIn = ({ agent_id, fallback }: TaskView): string | undefined =>
  fallback === undefined ? undefined : `answered by ${agent_id ?? 'an agent'} as a fallback: ${fallback.why}`;

/** Worth a word: a person has noticed the wait. */
const NOTICED_MS = 500;

/** How long it took, and what of that went into loading the model. */
export const took = (ms: number, { load_ms = 0 }: TaskView): string =>
  load_ms < NOTICED_MS ? duration(ms) : `${duration(ms)}, ${duration(load_ms)} of it to load the model`;

const suspicion = ({ node }: TaskView): string =>
  `${node === undefined ? 'its node' : `node ${node}`} is silent; if it stays so, the task is tried elsewhere`;

function asked({ options }: TaskView): string | undefined {
  const parts = [
    options.agent_id === undefined ? undefined : `agent ${options.agent_id}`,
    options.agent_type === undefined ? undefined : `type ${options.agent_type}`,
    options.specialty === undefined ? undefined : `specialty ${options.specialty}`,
    options.min_gpu_memory_bytes === undefined
      ? undefined
      : `${size(options.min_gpu_memory_bytes)} of GPU memory`,
    options.fallback === undefined ? undefined : `fallback ${chainText(options.fallback)}`,
    options.session_id === undefined ? undefined : `session ${options.session_id}`,
    options.group === undefined ? undefined : `group ${options.group}`,
    options.timeout_ms === undefined ? undefined : `timeout ${duration(options.timeout_ms)}`,
    options.max_queue_ms === undefined ? undefined : `at most ${duration(options.max_queue_ms)} in the queue`,
    options.deadline_ms === undefined ? undefined : `ended within ${duration(options.deadline_ms)}`,
    options.max_attempts === undefined ? undefined : `at most ${options.max_attempts} attempts`,
    options.priority === undefined ? undefined : `priority ${options.priority}`,
    options.cold === true ? 'a process of its own' : undefined,
    ...Object.entries(options.generation ?? {}).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
  ].filter(part => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(', ');
}

function answer(view: TaskView): string | undefined {
  const bytes =
    view.response_ref?.size_bytes ??
    (view.response === undefined ? undefined : Buffer.byteLength(view.response));
  if (bytes === undefined) return undefined;
  const part = view.completeness === 'partial' ? ', partial' : '';
  return `${size(bytes)}${part} (ccli task wait ${view.task_id})`;
}

function tokens({ usage }: TaskView): string | undefined {
  if (usage === undefined) return undefined;
  const parts = [
    usage.input_tokens === undefined ? undefined : `${usage.input_tokens} in`,
    usage.output_tokens === undefined ? undefined : `${usage.output_tokens} out`,
    usage.total_tokens === undefined ? undefined : `${usage.total_tokens} in all`,
  ].filter(part => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(', ');
}

function stop(view: TaskView): string | undefined {
  const last = view.attempts.at(-1);
  // Cancelled while queued: no node had it.
  if (view.stop_confirmed === undefined || last === undefined || last.error !== undefined) return undefined;
  return view.stop_confirmed ? 'confirmed by the node' : 'not confirmed by the node';
}
