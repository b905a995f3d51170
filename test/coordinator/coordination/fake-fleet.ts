/** The operations a coordination is made of, in memory: each agent does with its tasks what a test says. */
import { createCoordinate } from '../../../coordinator/coordination/coordinate.ts';
import type { CoordinateParts } from '../../../coordinator/coordination/tools.ts';
import type { CoordinateReply } from '../../../protocol/coordination.ts';
import { CcliError, type ErrorBody, type ErrorCode } from '../../../protocol/errors.ts';
import type { AgentView, OperationRequest, SubmitRequest, TaskView } from '../../../protocol/operation.ts';
import { isTerminal } from '../../../protocol/task.ts';
import { cut } from '../../../protocol/text.ts';
import { ollamaView as agentView } from '../../support/agent-view.ts';

export type Doing =
  | { readonly say: string; readonly when?: Promise<void> }
  | { readonly fail: ErrorCode; readonly partial?: string }
  | { readonly refuse: ErrorCode }
  | { readonly hang: true };

interface FakeOptions {
  readonly agents: readonly AgentView[];
  /** By agent; `judge` is for whoever judges. */
  readonly does?: Readonly<Record<string, Doing>>;
  readonly wrap?: (real: CoordinateParts) => Partial<CoordinateParts>;
}

export interface FakeFleet {
  readonly tasks: Map<string, TaskView>;
  readonly prompts: Map<string, string>;
  readonly submits: SubmitRequest[];
  readonly downloads: string[];
  agents: readonly AgentView[];
  does: Readonly<Record<string, Doing>>;
  coordinate(
    request: Omit<OperationRequest<'coordinate'>, 'prompt'> & { readonly prompt?: string },
    over?: { readonly signal?: AbortSignal; readonly caller?: string },
  ): Promise<CoordinateReply>;
}

const errorBody = (code: ErrorCode): ErrorBody => ({ code, message: `It said ${code}.`, retryable: false });

export function fakeFleet(options: FakeOptions): FakeFleet {
  const tasks = new Map<string, TaskView>();
  const prompts = new Map<string, string>();
  const submits: SubmitRequest[] = [];
  const downloads: string[] = [];
  const answers = new Map<string, string>();
  const waiters = new Map<string, Set<() => void>>();
  const fleet = { agents: options.agents, does: options.does ?? {} };

  const find = (task_id: string): TaskView => {
    const view = tasks.get(task_id);
    if (view === undefined) throw new CcliError('task_unknown');
    return view;
  };
  const change = (task_id: string, over: Partial<TaskView>): void => {
    const view = find(task_id);
    if (isTerminal(view.status)) return;
    tasks.set(task_id, { ...view, ...over });
    for (const wake of waiters.get(task_id) ?? []) wake();
  };
  const answer = (task_id: string, text: string): Partial<TaskView> => {
    answers.set(task_id, text);
    const bytes = Buffer.from(text);
    if (bytes.byteLength <= 1_000) return { response: text };
    const ref = { slices: cut(bytes).length, size_bytes: bytes.byteLength, sha256: '0'.repeat(64) };
    return { response_ref: ref };
  };
  const work = async (task_id: string, doing: Doing): Promise<void> => {
    change(task_id, { status: 'running' });
    if ('say' in doing) {
      await doing.when;
      change(task_id, {
        status: 'completed',
        completeness: 'whole',
        execution_time_ms: 5,
        ...answer(task_id, doing.say),
      });
    } else if ('fail' in doing) {
      const partial = doing.partial === undefined ? {} : answer(task_id, doing.partial);
      change(task_id, { status: 'failed', error: errorBody(doing.fail), ...partial });
    }
  };

  const real: CoordinateParts = {
    agents: () => Promise.resolve({ agents: [...fleet.agents] }),
    submit: async (request, { caller }) => {
      submits.push(request);
      const { task_id = '', agent_id = '', prompt = '', ...rest } = request;
      const doing = fleet.does[task_id.includes('-judge-') ? 'judge' : agent_id] ?? { say: `by ${agent_id}` };
      const known = tasks.get(task_id);
      const asked = JSON.stringify([request, caller]);
      if (known !== undefined) {
        if (prompts.get(`${task_id}.asked`) !== asked) throw new CcliError('idempotency_conflict');
        return known;
      }
      if (fleet.agents.every(agent => agent.agent_id !== agent_id)) throw new CcliError('agent_unknown');
      if ('refuse' in doing) throw new CcliError(doing.refuse);
      prompts.set(task_id, prompt);
      prompts.set(`${task_id}.asked`, asked);
      const view: TaskView = {
        task_id,
        status: 'queued',
        caller,
        prompt_bytes: prompt.length,
        options: { agent_id, ...rest },
        attempts: [],
        created_at_ms: 1,
        updated_at_ms: 1,
      };
      tasks.set(task_id, view);
      void work(task_id, doing);
      return Promise.resolve(view);
    },
    get: async ({ task_id, wait_ms = 0 }, { signal }) => {
      if (!isTerminal(find(task_id).status) && wait_ms > 0 && !signal.aborted) {
        await new Promise<void>(resolve => {
          const done = (): void => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            resolve();
          };
          const timer = setTimeout(done, wait_ms);
          signal.addEventListener('abort', done);
          const own = waiters.get(task_id) ?? new Set();
          waiters.set(task_id, own.add(done));
        });
      }
      return find(task_id);
    },
    cancel: ({ task_id }) => {
      change(task_id, { status: 'cancelled', stop_confirmed: true });
      return Promise.resolve(find(task_id));
    },
    list: ({ group }) =>
      Promise.resolve({
        tasks: [...tasks.values()]
          .filter(view => view.options.group === group)
          .reverse()
          .map(({ task_id, status, caller, prompt_bytes }) => ({
            task_id,
            status,
            caller,
            prompt_bytes,
            created_at_ms: 1,
            updated_at_ms: 1,
            attempts: 0,
          })),
      }),
    download: ({ task_id, index }) => {
      downloads.push(`${task_id} ${index}`);
      const slice = cut(Buffer.from(answers.get(task_id) ?? ''))[index];
      if (slice === undefined) return Promise.reject(new CcliError('slices_incomplete'));
      return Promise.resolve({ data: Buffer.from(slice).toString('base64') });
    },
  };
  const coordinate = createCoordinate({ ...real, ...options.wrap?.(real) });
  return Object.assign(fleet, {
    tasks,
    prompts,
    submits,
    downloads,
    coordinate: (
      request: Omit<OperationRequest<'coordinate'>, 'prompt'> & { readonly prompt?: string },
      { signal = new AbortController().signal, caller = 'tester' } = {},
    ) => coordinate({ prompt: 'Do the work.', ...request }, { caller, signal }),
  });
}

export const ABC = [agentView('a'), agentView('b'), agentView('c')];
export const named = ['a', 'b', 'c'];
/** Whoever judges, where there is one. */
export const THINKER = agentView('thinker', { specialty: ['reasoning'], enabled: true });

export const fleetOf = (
  does: Readonly<Record<string, Doing>> = {},
  agents: readonly AgentView[] = ABC,
): FakeFleet => fakeFleet({ agents, does });
