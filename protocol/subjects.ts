/** Every name on NATS is built, and taken apart, here and nowhere else. */

export const DEFAULT_PREFIX = 'ccli';

/** Names that become one token of a subject, a key or a file name. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,62}$/;
export const TASK_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
export const PREFIX_PATTERN = /^[a-z][a-z0-9_]{0,30}$/;

/** What a coordinator can ask of a node: endpoints of the micro service `ccli-node`. */
export const NODE_VERBS = [
  'run',
  'slice',
  'cancel',
  'status',
  'drain',
  'probe',
  'verify',
  'configure',
  'ask',
] as const;
export type NodeVerb = (typeof NODE_VERBS)[number];

/** On an advert that did not come over NATS: the coordinator that got it over a line and passed it on. */
export const LINE_HEADER = 'Ccli-Line';

export const NODE_SERVICE = 'ccli-node';
export const COORDINATOR_SERVICE = 'ccli-coordinator';

export interface Names {
  readonly prefix: string;
  readonly node: (node: string, verb: NodeVerb) => string;
  readonly advert: (node: string) => string;
  readonly allAdverts: string;
  readonly report: (node: string) => string;
  readonly allReports: string;
  readonly output: (node: string, taskId: string, attempt: number) => string;
  /** One task's chunks, whoever runs it. */
  readonly taskOutput: (taskId: string) => string;
  readonly allOutput: string;
  readonly taskEvent: (taskId: string) => string;
  readonly nodeEvent: (node: string) => string;
  readonly agentEvent: (node: string, agentId: string) => string;
  readonly placementEvent: (taskId: string, attempt: number) => string;
  readonly allEvents: string;
  readonly reportsStream: string;
  readonly reportsConsumer: string;
  readonly outputStream: string;
  readonly eventsStream: string;
  readonly tasksBucket: string;
  readonly agentsBucket: string;
  readonly controlBucket: string;
  readonly blobsBucket: string;
}

export function names(prefix: string = DEFAULT_PREFIX): Names {
  if (!PREFIX_PATTERN.test(prefix)) {
    throw new RangeError(`prefix must match ${PREFIX_PATTERN.source}, got "${prefix}"`);
  }
  const stream = (name: string): string => `${prefix.toUpperCase()}_${name}`;
  return {
    prefix,
    node: (node, verb) => `${prefix}.node.${node}.${verb}`,
    advert: node => `${prefix}.node.${node}.advert`,
    allAdverts: `${prefix}.node.*.advert`,
    report: node => `${prefix}.node.${node}.report`,
    allReports: `${prefix}.node.*.report`,
    output: (node, taskId, attempt) => `${prefix}.node.${node}.output.${taskId}.${String(attempt)}`,
    taskOutput: taskId => `${prefix}.node.*.output.${taskId}.*`,
    allOutput: `${prefix}.node.*.output.*.*`,
    taskEvent: taskId => `${prefix}.event.task.${taskId}`,
    nodeEvent: node => `${prefix}.event.node.${node}`,
    agentEvent: (node, agentId) => `${prefix}.event.agent.${node}.${agentId}`,
    placementEvent: (taskId, attempt) => `${prefix}.event.placement.${taskId}.${String(attempt)}`,
    allEvents: `${prefix}.event.>`,
    reportsStream: stream('REPORTS'),
    reportsConsumer: 'fold',
    outputStream: stream('OUTPUT'),
    eventsStream: stream('EVENTS'),
    tasksBucket: `${prefix}_tasks`,
    agentsBucket: `${prefix}_agents`,
    controlBucket: `${prefix}_control`,
    blobsBucket: `${prefix}_blobs`,
  };
}

/** The node named by the subject of an advert, report or chunk; undefined when it is none of these. */
export function nodeOf(prefix: string, subject: string): string | undefined {
  const [head, kind, node, ...rest] = subject.split('.');
  if (head !== prefix || kind !== 'node' || node === undefined || rest.length === 0) return undefined;
  return NAME_PATTERN.test(node) ? node : undefined;
}

/** What the keys of the tasks bucket say about a task. */
export const TASK_RECORDS = ['request', 'state', 'result', 'cancel'] as const;
export type TaskRecord = (typeof TASK_RECORDS)[number];

export const taskKey = (taskId: string, record: TaskRecord): string => `${taskId}.${record}`;

export function parseTaskKey(key: string): { task_id: string; record: TaskRecord } | undefined {
  const dot = key.indexOf('.');
  const task_id = key.slice(0, dot);
  const record = TASK_RECORDS.find(name => name === key.slice(dot + 1));
  return dot > 0 && record !== undefined && TASK_ID_PATTERN.test(task_id) ? { task_id, record } : undefined;
}

/** Keys of the bucket of agents: one record an agent, and one that says whether any may be registered. */
export const REGISTRATION_KEY = 'registration';
export const agentKey = (node: string, agentId: string): string => `${node}.${agentId}`;

export function parseAgentKey(key: string): { node: string; agent_id: string } | undefined {
  const [node, agent_id, ...rest] = key.split('.');
  if (node === undefined || agent_id === undefined || rest.length > 0) return undefined;
  return NAME_PATTERN.test(node) && NAME_PATTERN.test(agent_id) ? { node, agent_id } : undefined;
}

/**
 * Object names: one object a slice, so that any coordinator can take any slice. A stored prompt's name has its hash in
 * it: two texts submitted at once under one id never mix. An upload has none yet; its submit stores it as a prompt.
 */
export const promptBlob = (taskId: string, sha256: string, index: number): string =>
  `${taskId}.prompt.${sha256.slice(0, 16)}.${String(index)}`;
export const uploadBlob = (taskId: string, index: number): string => `${taskId}.upload.${String(index)}`;
export const resultBlob = (taskId: string, attempt: number, index: number): string =>
  `${taskId}.result.${String(attempt)}.${String(index)}`;

export const isPrompt = (name: string): boolean => name.split('.')[1] === 'prompt';
export const isUpload = (name: string): boolean => name.split('.')[1] === 'upload';

/** The task an object belongs to; undefined for an object that is none of ours. */
export function blobTask(name: string): string | undefined {
  const [task_id, kind] = name.split('.');
  const ours = kind === 'prompt' || kind === 'upload' || kind === 'result';
  return ours && task_id !== undefined && TASK_ID_PATTERN.test(task_id) ? task_id : undefined;
}
