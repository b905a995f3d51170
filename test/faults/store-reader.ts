/** Reads what the store holds, straight from JetStream: no coordinator's word is taken for it. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import { type ObjectStore, Objm } from '@nats-io/obj';
import { decode } from '../../protocol/codec.ts';
import { EventSchema } from '../../protocol/event.ts';
import { names, parseTaskKey, promptBlob, resultBlob } from '../../protocol/subjects.ts';
import {
  isTerminal,
  TaskRequestSchema,
  type TaskResult,
  TaskResultSchema,
  type TaskState,
  TaskStateSchema,
} from '../../protocol/task.ts';
import type { Text } from '../../protocol/text.ts';
import type { StoredResult, StoredState, StoredTask, TaskEnd } from './evidence.ts';
import { readPrompt } from './script.ts';
import { sha256 } from './tools/answer.ts';

const NAMES = names();

/** How many tasks there are, and which of them have not ended. */
export async function openTasks(connection: NatsConnection): Promise<{ all: number; open: string[] }> {
  const bucket = await new Kvm(jetstream(connection)).open(NAMES.tasksBucket);
  const status = new Map<string, boolean>();
  for await (const entry of await bucket.history({ key: ['*.request', '*.state'] })) {
    const parsed = parseTaskKey(entry.key);
    if (parsed === undefined || entry.operation !== 'PUT') continue;
    if (parsed.record === 'request') status.set(parsed.task_id, status.get(parsed.task_id) ?? false);
    else status.set(parsed.task_id, isTerminal(decode(TaskStateSchema, entry.value).status));
  }
  return { all: status.size, open: [...status].filter(([, ended]) => !ended).map(([task_id]) => task_id) };
}

interface Found {
  n?: number;
  created_at_ms: number;
  readonly states: StoredState[];
  result?: StoredResult;
}

export async function readTasks(connection: NatsConnection): Promise<StoredTask[]> {
  const client = jetstream(connection);
  const bucket = await new Kvm(client).open(NAMES.tasksBucket);
  const blobs = await new Objm(client).open(NAMES.blobsBucket);
  const found = new Map<string, Found>();
  const results: TaskResult[] = [];
  const requests: { task_id: string; prompt: Text }[] = [];
  for await (const entry of await bucket.history()) {
    const parsed = parseTaskKey(entry.key);
    if (parsed === undefined || entry.operation !== 'PUT') continue;
    const { task_id, record } = parsed;
    const task = found.get(task_id) ?? { states: [], created_at_ms: entry.created.getTime() };
    found.set(task_id, task);
    if (record === 'request')
      requests.push({ task_id, prompt: decode(TaskRequestSchema, entry.value).prompt });
    else if (record === 'state')
      task.states.push(stateOf(decode(TaskStateSchema, entry.value), entry.created));
    else if (record === 'result') results.push(decode(TaskResultSchema, entry.value));
  }
  for (const { task_id, prompt } of requests) {
    const task = found.get(task_id);
    const n = readPrompt(await promptText(blobs, task_id, prompt))?.n;
    if (task !== undefined && n !== undefined) task.n = n;
  }
  for (const result of results) {
    const task = found.get(result.task_id);
    if (task !== undefined) task.result = await resultOf(blobs, result);
  }
  return [...found].flatMap(([task_id, { n, created_at_ms, states, result }]) =>
    n === undefined ? [] : [{ task_id, n, created_at_ms, states, result }],
  );
}

const stateOf = (state: TaskState, at: Date): StoredState => ({
  status: state.status,
  error_code: state.error?.code,
  result_attempt: state.result_attempt,
  attempts: state.attempts.map(({ attempt, node, agent_id, error }) => ({
    attempt,
    node,
    agent_id,
    error_code: error?.code,
  })),
  at_ms: at.getTime(),
});

/** The script stands at the beginning. */
async function promptText(blobs: ObjectStore, task_id: string, prompt: Text): Promise<string> {
  if ('inline' in prompt) return prompt.inline;
  const slice = await blobs.getBlob(promptBlob(task_id, prompt.ref.sha256, 0));
  return slice === null ? '' : new TextDecoder().decode(slice);
}

async function resultOf(blobs: ObjectStore, { task_id, attempt, text }: TaskResult): Promise<StoredResult> {
  if ('inline' in text)
    return { attempt, sha256: sha256(text.inline), bytes: Buffer.byteLength(text.inline) };
  const slices: Uint8Array[] = [];
  for (let index = 0; index < text.ref.slices; index += 1) {
    const slice = await blobs.getBlob(resultBlob(task_id, attempt, index));
    if (slice === null)
      return { attempt, sha256: '', bytes: 0, problem: `slice ${index} of ${text.ref.slices} is missing` };
    slices.push(slice);
  }
  const whole = Buffer.concat(slices);
  return { attempt, sha256: sha256(whole), bytes: whole.byteLength };
}

/** The terminal states that the event stream tells of. */
export async function readEnds(connection: NatsConnection): Promise<TaskEnd[]> {
  const manager = await jetstreamManager(connection);
  const { messages } = (await manager.streams.info(NAMES.eventsStream)).state;
  const ends: TaskEnd[] = [];
  if (messages === 0) return ends;
  const consumer = await jetstream(connection).consumers.get(NAMES.eventsStream);
  const events = await consumer.consume();
  for await (const message of events) {
    const event = decode(EventSchema, message.data);
    if (event.kind === 'task' && isTerminal(event.status))
      ends.push({ task_id: event.task_id, status: event.status });
    if (message.info.pending === 0) break;
  }
  return ends;
}
