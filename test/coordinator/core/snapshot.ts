/** Agents and tasks from a line of words each, so that a case reads as what it is about. */
import { chainOf, type FallbackPolicy } from '../../../coordinator/core/chain.ts';
import type { SessionFacts } from '../../../coordinator/core/choose.ts';
import type { Tried } from '../../../coordinator/core/fallback.ts';
import type { Candidate, Demand } from '../../../coordinator/core/placement.ts';
import type { Action, QueuedTask, Snapshot } from '../../../coordinator/core/plan.ts';
import { type AgentStatus, AgentTypeSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import { ERRORS, ErrorCodeSchema } from '../../../protocol/errors.ts';
import type { TaskOptions } from '../../../protocol/task.ts';

type Words = ReadonlyMap<string, string>;

/** `warm model=a,b` as a map; a word alone is `yes`. */
function wordsOf(words: readonly string[], known: readonly string[]): Words {
  const found = new Map<string, string>();
  for (const word of words) {
    const [name = '', value = 'yes'] = word.split('=');
    if (!known.includes(name)) throw new Error(`"${word}" means nothing here`);
    found.set(name, value);
  }
  return found;
}

const labels = (text: string | undefined): Record<string, string> => {
  const [name, value = ''] = text?.split(':') ?? [];
  return name === undefined ? {} : { [name]: value };
};

const GIB = 2 ** 30;

const AGENT_WORDS = [
  'node',
  'type',
  'specialty',
  'model',
  'models',
  'loaded',
  'gpu',
  'label',
  'max_prompt',
  'priority',
  'warm',
  'recent',
  'first_chunk',
  'discovered',
  'denied',
  'silent',
  'contested',
  'draining',
  'full',
  'disabled',
  'starting',
  'absent',
  'broken',
  'cooling',
];

/**
 * `walnut-gemini 1/2 warm`: one of its two slots taken, on the node that its name begins with. `gpu=8/24`: GiB free and
 * in all. `recent=1/10`: one of the last ten runs failed.
 */
export function agent(text: string): Candidate {
  const [agent_id = '', slots = '', ...rest] = text.trim().split(/\s+/);
  const [used, max_concurrent] = slots.split('/').map(Number);
  if (used === undefined || max_concurrent === undefined) throw new Error(`"${text}" has no slots`);
  const words = wordsOf(rest, AGENT_WORDS);
  return {
    node: words.get('node') ?? agent_id.split('-')[0] ?? '',
    instance_id: 'i1',
    alive: !words.has('silent'),
    contested: words.has('contested'),
    draining: words.has('draining'),
    full: words.has('full'),
    registration: words.has('discovered') || words.has('denied') ? 'discovered' : 'registered',
    allowed: !words.has('denied'),
    used,
    ...(words.has('absent') && { absent: true }),
    status: statusOf(agent_id, used, max_concurrent, words),
  };
}

function statusOf(agent_id: string, used: number, max_concurrent: number, words: Words): AgentStatus {
  const models = words.get('models')?.split(',');
  const [free = 0, total = 0] = words.get('gpu')?.split('/').map(Number) ?? [];
  const broken = words.get('broken');
  return {
    agent_id,
    agent_type: AgentTypeSchema.parse(words.get('type') ?? 'cli_gemini'),
    driver: 'acp',
    specialty: [SpecialtySchema.parse(words.get('specialty') ?? 'general_ai')],
    ...(words.has('model') && { model: words.get('model') }),
    ...(models !== undefined && { models }),
    ...(words.has('loaded') && { loaded_models: words.get('loaded')?.split(',') }),
    ...(words.has('gpu') && { gpu_memory: { free_bytes: free * GIB, total_bytes: total * GIB } }),
    ...recentOf(words),
    labels: labels(words.get('label')),
    priority: Number(words.get('priority') ?? 0),
    max_concurrent,
    running: used,
    enabled: !words.has('disabled'),
    health:
      broken !== undefined
        ? 'unavailable'
        : words.has('starting') || words.has('absent')
          ? 'starting'
          : 'ready',
    ...(broken !== undefined && { problem: problemOf(agent_id, broken) }),
    signed_in: 'yes',
    warm: words.has('warm'),
    tool_policy: 'deny',
    timeout_ms: 300_000,
    max_prompt_bytes: Number(words.get('max_prompt') ?? 4_000_000),
    ...(words.has('cooling') && { cooldown_ms: Number(words.get('cooling')) || 1_000 }),
  };
}

function problemOf(agent_id: string, word: string): NonNullable<AgentStatus['problem']> {
  const code = word === 'yes' ? 'cli_missing' : ErrorCodeSchema.parse(word);
  const message = word === 'yes' ? `${agent_id} has no CLI.` : ERRORS[code].says;
  return { code, message, retryable: ERRORS[code].retryable };
}

function recentOf(words: Words): Pick<AgentStatus, 'recent'> {
  const [failed = 0, runs = 10] = words.get('recent')?.split('/').map(Number) ?? [];
  if (!words.has('recent') && !words.has('first_chunk')) return {};
  const first_chunk_ms = words.has('first_chunk') ? { first_chunk_ms: Number(words.get('first_chunk')) } : {};
  return { recent: { runs, failed, ...first_chunk_ms } };
}

const DEMAND_WORDS = ['agent', 'type', 'specialty', 'model', 'label', 'bytes', 'min_gpu', 'fallback'];
const TASK_WORDS = [
  ...DEMAND_WORDS,
  'priority',
  'max_attempts',
  'caller',
  'waited',
  'max_queue',
  'pause',
  'deadline',
  'attempt',
  'tried',
  'session',
  'with',
  'earlier',
];

function demandOf(words: Words, policy: FallbackPolicy = {}): Demand {
  const text = (word: string): string | undefined => words.get(word);
  const [agent_id, agent_type, specialty, model, label, , min_gpu, fallback] = DEMAND_WORDS.map(text);
  const options: TaskOptions = {
    ...(agent_id !== undefined && { agent_id }),
    ...(agent_type !== undefined && { agent_type: AgentTypeSchema.parse(agent_type) }),
    ...(specialty !== undefined && { specialty: SpecialtySchema.parse(specialty) }),
    ...(model !== undefined && { model }),
    ...(label !== undefined && { labels: labels(label) }),
    ...(min_gpu !== undefined && { min_gpu_memory_bytes: Number(min_gpu) * GIB }),
    ...(fallback !== undefined && { fallback: fallback.split(',') }),
    ...(words.has('priority') && { priority: Number(words.get('priority')) }),
    ...(words.has('max_attempts') && { max_attempts: Number(words.get('max_attempts')) }),
    ...(words.has('max_queue') && { max_queue_ms: Number(words.get('max_queue')) }),
    ...(words.has('session') && { session_id: words.get('session') }),
  };
  const chain = chainOf(options, policy);
  return { options, prompt_bytes: Number(words.get('bytes') ?? 10), ...(chain !== undefined && { chain }) };
}

/** `type=cli_gemini bytes=5`; nothing asks for anything. */
export const demand = (text: string): Demand =>
  demandOf(
    wordsOf(
      text.split(/\s+/).filter(word => word !== ''),
      DEMAND_WORDS,
    ),
  );

const nodeOf = (agent_id: string): string => agent_id.split('-')[0] ?? '';

/**
 * `walnut-gemini:cli_crashed@1`: failed so, as the chain's second; `walnut-gemini~draining`: refused so; `#7` after it:
 * as the seventh attempt.
 */
function triedOf(text: string, index: number): Tried {
  const [told = '', attempt = String(index + 1)] = text.split('#');
  const [named = '', position = '0'] = told.split('@');
  const [agent_id = '', code = 'cli_crashed'] = named.split(/[:~]/);
  const refused = named.includes('~');
  return {
    attempt: Number(attempt),
    node: nodeOf(agent_id),
    agent_id,
    position: Number(position),
    code: ErrorCodeSchema.parse(code),
    refused,
  };
}

function sessionOf(words: Words): SessionFacts | undefined {
  if (!words.has('session')) return undefined;
  const agent_id = words.get('with');
  return {
    earlier_pending: words.has('earlier'),
    ...(agent_id !== undefined && { agent: { node: nodeOf(agent_id), agent_id } }),
  };
}

/** `t1 priority=2 waited=500`; `seq` is its turn to arrive. */
export function task(text: string, seq: number, policy: FallbackPolicy = {}): QueuedTask {
  const [task_id = '', ...rest] = text.trim().split(/\s+/);
  const words = wordsOf(rest, TASK_WORDS);
  return {
    ...demandOf(words, policy),
    task_id,
    caller: words.get('caller') ?? 'ann',
    seq,
    attempt: Number(words.get('attempt') ?? 1),
    tried: words.get('tried')?.split(',').map(triedOf) ?? [],
    session: sessionOf(words),
    waited_ms: Number(words.get('waited') ?? 0),
    pause_ms: Number(words.get('pause') ?? 0),
    deadline_left_ms: words.has('deadline') ? Number(words.get('deadline')) : undefined,
    last_error: undefined,
  };
}

/**
 * Lines that begin with `agent` or `task`, tasks in order of arrival. `fallback cli_gemini ollama`: the fleet's chain
 * for tasks that ask for that type. `running ann 3 walnut-gemini`: tasks that a caller has running there.
 * `served ann walnut-gemini 7`: when it last got one there, as tasks are counted.
 */
export function snapshot(text: string): Snapshot {
  const lines = text
    .trim()
    .split('\n')
    .map(line => line.trim());
  const after = (kind: string): string[] =>
    lines.filter(line => line.startsWith(`${kind} `)).map(line => line.slice(kind.length + 1));
  const policy = Object.fromEntries(
    after('fallback').map(line => {
      const [name = '', ...chain] = line.split(/\s+/);
      return [name, chain];
    }),
  );
  return {
    candidates: after('agent').map(agent),
    queued: after('task').map((line, seq) => task(line, seq, policy)),
    served: after('served').map(line => {
      const [caller = '', agent_id = '', seq] = line.split(/\s+/);
      return { caller, node: nodeOf(agent_id), agent_id, seq: Number(seq) };
    }),
    running: after('running').flatMap(line => {
      const [caller = '', count, agent_id = ''] = line.split(/\s+/);
      return Array.from({ length: Number(count) }, () => ({ caller, node: nodeOf(agent_id), agent_id }));
    }),
  };
}

export function describeAction(action: Action): string {
  switch (action.action) {
    case 'assign': {
      const { node, status } = action.candidate;
      const number = action.attempt === 1 ? '' : ` as attempt ${action.attempt}`;
      return `${action.task_id} goes to ${status.agent_id} on ${node}${number}: ${action.why}`;
    }
    case 'fail':
      return `${action.task_id} fails with ${action.error.code}: ${action.error.message}`;
    case 'wait':
      return `${action.task_id} waits: ${action.why}`;
  }
}
