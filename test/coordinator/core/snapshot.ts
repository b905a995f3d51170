/** Agents and tasks from a line of words each, so that a case reads as what it is about. */

import type { Candidate, Demand } from '../../../coordinator/core/placement.ts';
import type { Action, QueuedTask, Snapshot } from '../../../coordinator/core/plan.ts';
import { AgentTypeSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import type { TaskOptions } from '../../../protocol/task.ts';

/** `warm model=a,b` as a map; a word alone is `yes`. */
function wordsOf(words: readonly string[], known: readonly string[]): Map<string, string> {
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

const AGENT_WORDS = [
  'node',
  'type',
  'specialty',
  'models',
  'label',
  'max_prompt',
  'priority',
  'warm',
  'silent',
  'contested',
  'draining',
  'full',
  'disabled',
  'starting',
  'broken',
  'cooling',
];

/** `walnut-gemini 1/2 warm`: one of its two slots taken, on the node that its name begins with. */
export function agent(text: string): Candidate {
  const [agent_id = '', slots = '', ...rest] = text.trim().split(/\s+/);
  const [used, max_concurrent] = slots.split('/').map(Number);
  if (used === undefined || max_concurrent === undefined) throw new Error(`"${text}" has no slots`);
  const words = wordsOf(rest, AGENT_WORDS);
  const models = words.get('models')?.split(',');
  const broken = words.has('broken');
  const problem = { code: 'cli_missing', message: `${agent_id} has no CLI.`, retryable: false } as const;
  return {
    node: words.get('node') ?? agent_id.split('-')[0] ?? '',
    instance_id: 'i1',
    alive: !words.has('silent'),
    contested: words.has('contested'),
    draining: words.has('draining'),
    full: words.has('full'),
    used,
    status: {
      agent_id,
      agent_type: AgentTypeSchema.parse(words.get('type') ?? 'cli_gemini'),
      driver: 'acp',
      specialty: [SpecialtySchema.parse(words.get('specialty') ?? 'general_ai')],
      ...(models !== undefined && { models }),
      labels: labels(words.get('label')),
      priority: Number(words.get('priority') ?? 0),
      max_concurrent,
      running: used,
      enabled: !words.has('disabled'),
      health: broken ? 'unavailable' : words.has('starting') ? 'starting' : 'ready',
      ...(broken && { problem }),
      signed_in: 'yes',
      warm: words.has('warm'),
      tool_policy: 'deny',
      timeout_ms: 300_000,
      max_prompt_bytes: Number(words.get('max_prompt') ?? 4_000_000),
      ...(words.has('cooling') && { cooldown_ms: Number(words.get('cooling')) || 1_000 }),
    },
  };
}

const DEMAND_WORDS = ['agent', 'type', 'specialty', 'model', 'label', 'bytes'];
const TASK_WORDS = [
  ...DEMAND_WORDS,
  'priority',
  'waited',
  'max_queue',
  'pause',
  'deadline',
  'attempt',
  'tried',
];

function demandOf(words: ReadonlyMap<string, string>): Demand {
  const text = (word: string): string | undefined => words.get(word);
  const [agent_id, agent_type, specialty, model, label] = DEMAND_WORDS.map(text);
  const options: TaskOptions = {
    ...(agent_id !== undefined && { agent_id }),
    ...(agent_type !== undefined && { agent_type: AgentTypeSchema.parse(agent_type) }),
    ...(specialty !== undefined && { specialty: SpecialtySchema.parse(specialty) }),
    ...(model !== undefined && { model }),
    ...(label !== undefined && { labels: labels(label) }),
    ...(words.has('priority') && { priority: Number(words.get('priority')) }),
    ...(words.has('max_queue') && { max_queue_ms: Number(words.get('max_queue')) }),
  };
  return { options, prompt_bytes: Number(words.get('bytes') ?? 10) };
}

/** `type=cli_gemini bytes=5`; nothing asks for anything. */
export const demand = (text: string): Demand =>
  demandOf(
    wordsOf(
      text.split(/\s+/).filter(word => word !== ''),
      DEMAND_WORDS,
    ),
  );

/** `t1 priority=2 waited=500`; `seq` is its turn to arrive. */
export function task(text: string, seq: number): QueuedTask {
  const [task_id = '', ...rest] = text.trim().split(/\s+/);
  const words = wordsOf(rest, TASK_WORDS);
  return {
    ...demandOf(words),
    task_id,
    seq,
    attempt: Number(words.get('attempt') ?? 1),
    tried: words.get('tried')?.split(',') ?? [],
    waited_ms: Number(words.get('waited') ?? 0),
    pause_ms: Number(words.get('pause') ?? 0),
    deadline_left_ms: words.has('deadline') ? Number(words.get('deadline')) : undefined,
    last_error: undefined,
  };
}

/** Lines that begin with `agent` or `task`, tasks in order of arrival. */
export function snapshot(text: string): Snapshot {
  const lines = text
    .trim()
    .split('\n')
    .map(line => line.trim());
  const after = (kind: string): string[] =>
    lines.filter(line => line.startsWith(`${kind} `)).map(line => line.slice(kind.length + 1));
  return { candidates: after('agent').map(agent), queued: after('task').map(task) };
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
