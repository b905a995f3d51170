/** A coordinator that keeps its tasks in memory and does with each what a test says; the wire is the real one. */
import { createHash } from 'node:crypto';
import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Operations } from '../../../../coordinator/operations.ts';
import { encode, WIRE_VERSION } from '../../../../protocol/codec.ts';
import { connect } from '../../../../protocol/daemon/connect.ts';
import { createLog } from '../../../../protocol/daemon/log.ts';
import { jsonEndpoint, startService } from '../../../../protocol/daemon/service.ts';
import { CcliError, type ErrorBody } from '../../../../protocol/errors.ts';
import { EventSchema } from '../../../../protocol/event.ts';
import {
  OPERATIONS,
  type OperationName,
  type SubmitRequest,
  type TaskView,
} from '../../../../protocol/operation.ts';
import { ChunkSchema } from '../../../../protocol/output.ts';
import { names } from '../../../../protocol/subjects.ts';
import { isTerminal } from '../../../../protocol/task.ts';
import { cut, fitsInline, join } from '../../../../protocol/text.ts';

/** What a script can do with its task. */
export interface ScriptedTask {
  readonly task_id: string;
  readonly prompt: string;
  readonly cancelled: AbortSignal;
  waitFor(reason: string): void;
  start(attempt?: number): void;
  chunk(attempt: number, n: number, text: string): void;
  complete(response: string): void;
  fail(error: ErrorBody, partial?: string): void;
}

export type Script = (task: ScriptedTask) => Promise<void> | void;

export interface ScriptedOptions {
  readonly url: string;
  readonly prefix?: string;
  readonly script: Script;
  /** Replaces single operations, to make them fail. */
  readonly wrap?: (real: Operations) => Partial<Operations>;
  /** Keeps chunks for late readers. */
  readonly keepOutput?: boolean;
}

export interface ScriptedCoordinator {
  readonly connection: NatsConnection;
  readonly tasks: ReadonlyMap<string, TaskView>;
  readonly prompts: ReadonlyMap<string, string>;
  /** Names of the operations asked for, in order. */
  readonly asked: OperationName[];
  readonly submits: SubmitRequest[];
  stop(): Promise<void>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const NODE = 'walnut';
const AGENT = 'walnut-gemini';

export async function startScriptedCoordinator(options: ScriptedOptions): Promise<ScriptedCoordinator> {
  const { script, wrap = () => ({}), keepOutput = false } = options;
  const connection = await connect({ url: options.url }, { name: 'scripted', patience: 'command' });
  const subjects = names(options.prefix);
  const tasks = new Map<string, TaskView>();
  const prompts = new Map<string, string>();
  const cancels = new Map<string, AbortController>();
  const waiters = new Map<string, Set<() => void>>();
  const uploads = new Map<string, Uint8Array[]>();
  const answers = new Map<string, Uint8Array[]>();
  const asked: OperationName[] = [];
  const submits: SubmitRequest[] = [];
  let clock = 1_000;

  if (keepOutput) {
    await (await jetstreamManager(connection)).streams.add({
      name: subjects.outputStream,
      subjects: [subjects.allOutput],
      storage: StorageType.Memory,
      allow_direct: true,
    });
  }

  const find = (task_id: string): TaskView => {
    const view = tasks.get(task_id);
    if (view === undefined) throw new CcliError('task_unknown');
    return view;
  };

  const change = (task_id: string, changes: Partial<TaskView>): void => {
    const before = find(task_id);
    if (isTerminal(before.status)) return;
    clock += 1;
    const view = { ...before, ...changes, updated_at_ms: clock };
    tasks.set(task_id, view);
    const last = view.attempts.at(-1);
    connection.publish(
      subjects.taskEvent(task_id),
      encode(EventSchema, {
        v: WIRE_VERSION,
        kind: 'task',
        task_id,
        status: view.status,
        at_ms: clock,
        ...(last !== undefined && { attempt: last.attempt, node: last.node, agent_id: last.agent_id }),
      }),
    );
    if (isTerminal(view.status)) for (const wake of waiters.get(task_id) ?? []) wake();
  };

  const text = (task_id: string, response: string): Partial<TaskView> => {
    if (fitsInline(response)) return { response };
    const bytes = new TextEncoder().encode(response);
    const slices = cut(bytes);
    answers.set(task_id, slices);
    return {
      response_ref: { slices: slices.length, size_bytes: bytes.byteLength, sha256: sha256(bytes) },
    };
  };

  const hand = (task_id: string, prompt: string, cancelled: AbortSignal): ScriptedTask => ({
    task_id,
    prompt,
    cancelled,
    waitFor(waiting_for) {
      change(task_id, { waiting_for });
    },
    start(attempt = 1) {
      const { waiting_for: _, ...view } = find(task_id);
      tasks.set(task_id, view);
      change(task_id, {
        status: 'running',
        agent_id: AGENT,
        node: NODE,
        attempts: [
          ...view.attempts,
          {
            attempt,
            node: NODE,
            agent_id: AGENT,
            instance_id: 'i',
            epoch: 1,
            started: true,
            why: 'it is free',
          },
        ],
      });
    },
    chunk(attempt, n, piece) {
      connection.publish(
        subjects.output(NODE, task_id, attempt),
        encode(ChunkSchema, { v: WIRE_VERSION, task_id, attempt, n, text: piece }),
      );
    },
    complete(response) {
      change(task_id, {
        status: 'completed',
        completeness: 'whole',
        execution_time_ms: 1_234,
        warm: true,
        ...text(task_id, response),
      });
    },
    fail(error, partial) {
      change(task_id, { status: 'failed', error, ...(partial !== undefined && text(task_id, partial)) });
    },
  });

  const real: Operations = {
    submit: (request, context) => {
      submits.push(request);
      const task_id = request.task_id ?? 'unnamed';
      const known = tasks.get(task_id);
      if (known !== undefined) return Promise.resolve(known);
      const prompt = request.prompt ?? join(uploads.get(task_id) ?? [], refOf(request), sha256);
      const { prompt: _p, prompt_ref: _r, task_id: _t, idempotency_key: _i, ...taskOptions } = request;
      prompts.set(task_id, prompt);
      tasks.set(task_id, {
        task_id,
        status: 'queued',
        caller: context.caller,
        prompt_bytes: Buffer.byteLength(prompt),
        options: taskOptions,
        attempts: [],
        created_at_ms: clock,
        updated_at_ms: clock,
      });
      const cancel = new AbortController();
      cancels.set(task_id, cancel);
      const view = find(task_id);
      void Promise.resolve(script(hand(task_id, prompt, cancel.signal)));
      return Promise.resolve(view);
    },
    run: () => Promise.reject(new CcliError('internal')),
    retry: () => Promise.reject(new CcliError('internal')),
    test: () => Promise.reject(new CcliError('internal')),
    get: async ({ task_id, wait_ms = 0 }) => {
      if (!isTerminal(find(task_id).status) && wait_ms > 0) {
        await new Promise<void>(resolve => {
          const timer = setTimeout(settle, wait_ms);
          const set = waiters.get(task_id) ?? new Set();
          waiters.set(task_id, set);
          set.add(settle);
          function settle(): void {
            clearTimeout(timer);
            set.delete(settle);
            resolve();
          }
        });
      }
      return find(task_id);
    },
    cancel: ({ task_id }) => {
      find(task_id);
      cancels.get(task_id)?.abort();
      change(task_id, { status: 'cancelled', stop_confirmed: true });
      return Promise.resolve(find(task_id));
    },
    list: ({ status, limit = 100, cursor }) => {
      const all = [...tasks.values()]
        .reverse()
        .filter(task => status === undefined || task.status === status)
        .map(task => ({ ...task, attempts: task.attempts.length }));
      const from = Number(cursor ?? 0);
      const page = all.slice(from, from + limit);
      const more = from + limit < all.length;
      return Promise.resolve({ tasks: page, ...(more && { next_cursor: String(from + limit) }) });
    },
    upload: ({ task_id, index, data }) => {
      const slices = uploads.get(task_id) ?? [];
      uploads.set(task_id, slices);
      slices[index] = Buffer.from(data, 'base64');
      return Promise.resolve({ stored: true });
    },
    download: ({ task_id, index }) => {
      const slice = answers.get(task_id)?.[index];
      if (slice === undefined) throw new CcliError('task_unknown');
      return Promise.resolve({ data: Buffer.from(slice).toString('base64') });
    },
    agents: () => Promise.resolve({ agents: [] }),
    nodes: () => Promise.resolve({ nodes: [] }),
    drain: ({ node }) => Promise.reject(new CcliError('node_unknown', `No node is called "${node}".`)),
    explain: () => Promise.reject(new CcliError('internal')),
    coordinate: () => Promise.reject(new CcliError('internal')),
    register: () => Promise.reject(new CcliError('internal')),
    update: () => Promise.reject(new CcliError('internal')),
    remove: () => Promise.reject(new CcliError('internal')),
    verify: () => Promise.reject(new CcliError('internal')),
    registration: () => Promise.reject(new CcliError('internal')),
    status: () => Promise.reject(new CcliError('internal')),
  };
  const operations: Operations = { ...real, ...wrap(real) };

  const context = { caller: 'tester', signal: new AbortController().signal };
  const endpoint = (name: OperationName) => {
    const { subject, request, reply } = OPERATIONS[name];
    return jsonEndpoint<unknown, unknown>({
      name,
      subject: `${subjects.prefix}.${subject}`,
      request,
      reply,
      handle: async body => {
        asked.push(name);
        // The schema of the same row has just parsed it.
        return await (operations[name] as (request: unknown, context: unknown) => Promise<unknown>)(
          body,
          context,
        );
      },
    });
  };
  await startService({
    connection,
    name: 'ccli-coordinator',
    version: '0.0.1',
    description: 'scripted',
    endpoints: (Object.keys(OPERATIONS) as OperationName[]).map(name => endpoint(name)),
    log: createLog({ level: 'silent', name: 'scripted' }),
  });
  await connection.flush();
  return { connection, tasks, prompts, asked, submits, stop: () => connection.close() };
}

function refOf({ prompt_ref }: SubmitRequest) {
  if (prompt_ref === undefined) throw new CcliError('prompt_empty');
  return prompt_ref;
}
