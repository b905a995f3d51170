/** The one door to the system: `http/`, `mcp/` and the bus call it; `ccli` calls the same interface through NATS. */
import { WIRE_VERSION } from '../protocol/codec.ts';
import { CcliError } from '../protocol/errors.ts';
import { CANCEL_WAIT_MS } from '../protocol/limits.ts';
import type { FleetStatus, OperationName, TaskView } from '../protocol/operation.ts';
import { isTerminal } from '../protocol/task.ts';
import { createAgentOperations } from './agent-operations.ts';
import type { Operation } from './caller.ts';
import { createCoordinate } from './coordination/coordinate.ts';
import type { AgentChange } from './events.ts';
import { createExplain } from './explain.ts';
import { countSlots, type Fleet } from './fleet.ts';
import { listTasks } from './list-tasks.ts';
import { type Located, unknownNode } from './locate-agent.ts';
import { lookUp } from './lookup.ts';
import type { Mirror } from './mirror.ts';
import type { Nodes } from './nodes.ts';
import type { Placements } from './placements.ts';
import type { Planner } from './planner.ts';
import type { Registry } from './registry.ts';
import { createRetryTask } from './retry-task.ts';
import type { TaskStore } from './store.ts';
import type { StoreUsage } from './store-usage.ts';
import { createSubmit } from './submit.ts';
import type { TaskEntry } from './task-entry.ts';
import { createUpload } from './upload.ts';
import { agentView, nodeView, taskView } from './views.ts';

export type Operations = { readonly [N in OperationName]: Operation<N> };

interface OperationsOptions {
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly fleet: Fleet;
  readonly activate: () => void;
  readonly nodes: Pick<Nodes, 'drain' | 'probe' | 'verify'>;
  readonly registry: Registry;
  /** Something was asked of the registry, and is in it. */
  readonly onAgentChange: (agent: Located, change: AgentChange) => void;
  readonly usage: StoreUsage;
  readonly planner: Planner;
  readonly placements: Placements;
  /** What of the status only the composition root knows. */
  readonly about: () => Omit<FleetStatus, 'nodes' | 'agents' | 'slots' | 'tasks'>;
}

const RUN_WAIT_MS = 600_000;

export function createOperations(options: OperationsOptions): Operations {
  const { store, mirror, fleet, nodes, usage, registry, planner, activate, about } = options;
  const submit = createSubmit({ store, mirror, fleet, planner, usage, activate });
  const upload = createUpload({ store, usage });

  const find = async (task_id: string): Promise<TaskEntry> => {
    const entry = await lookUp(store, mirror, task_id);
    if (entry !== undefined) return entry;
    throw new CcliError(
      'task_unknown',
      `No task is called "${task_id}"; list the tasks to see those there are.`,
    );
  };

  const retryTask = createRetryTask({ find, store, submit });

  const view = async (entry: TaskEntry): Promise<TaskView> => {
    const answered = entry.state.result_attempt !== undefined;
    const result = answered ? await store.result(entry.task_id, entry.seq) : undefined;
    return taskView(entry, { result, waiting_for: waitingFor(entry), suspect: isSuspect(entry) });
  };

  /** The leader's planner has left a note; another coordinator looks for itself. */
  const waitingFor = (entry: TaskEntry): string | undefined =>
    entry.state.status === 'queued' ? (entry.waiting_for ?? planner.outlook(entry).waits) : undefined;

  const isSuspect = ({ state }: TaskEntry): boolean => {
    const node =
      state.status === 'assigned' || state.status === 'running' ? state.attempts.at(-1)?.node : undefined;
    return node !== undefined && fleet.node(node)?.alive === false;
  };

  const candidates = () => fleet.candidates(countSlots(mirror.active()));
  const agents = () => candidates().map(agentView);

  const operations: Omit<Operations, 'coordinate'> = {
    ...createAgentOperations({
      registry,
      fleet,
      nodes,
      candidates,
      onChanged: options.onAgentChange,
      now: Date.now,
    }),
    explain: createExplain({ find, planner, placements: options.placements }),
    submit: async (request, context) => await view(await submit(request, context)),
    // No `await` here: what is suspended would hold the prompt for as long as its end is waited for.
    run({ wait_ms = RUN_WAIT_MS, ...request }, context) {
      return submit(request, context).then(({ task_id }) => operations.get({ task_id, wait_ms }, context));
    },
    async get({ task_id, wait_ms }, { signal }) {
      await find(task_id);
      await mirror.ended(task_id, wait_ms ?? 0, signal);
      return await view(await find(task_id));
    },
    async cancel({ task_id }, { caller, signal }) {
      const entry = await find(task_id);
      if (!isTerminal(entry.state.status)) {
        const cancel = { v: WIRE_VERSION, task_id, caller };
        const revision = await store.createCancel(cancel, entry.seq);
        mirror.apply({ record: 'cancel', cancel, revision });
        activate();
        await mirror.ended(task_id, CANCEL_WAIT_MS, signal);
      }
      return await view(await find(task_id));
    },
    retry: async (request, context) => await view(await retryTask(request, context)),
    list: async request => await Promise.resolve(listTasks(mirror.all(), request)),
    upload,
    async download({ task_id, index }) {
      const { state } = await find(task_id);
      if (state.result_attempt === undefined)
        throw new CcliError('task_unknown', `Task ${task_id} has no answer.`);
      const bytes = await store.resultSlice(task_id, state.result_attempt, index);
      if (bytes === undefined) throw new CcliError('slices_incomplete', `The answer has no slice ${index}.`);
      return { data: Buffer.from(bytes).toString('base64') };
    },
    agents: () => Promise.resolve({ agents: agents().sort((a, b) => (a.agent_id < b.agent_id ? -1 : 1)) }),
    nodes: () =>
      Promise.resolve({
        nodes: fleet
          .nodes()
          .map(nodeView)
          .sort((a, b) => (a.node < b.node ? -1 : 1)),
      }),
    async drain({ node, drain }) {
      if (fleet.node(node) === undefined) throw unknownNode(node, fleet.nodes());
      return { node, ...(await nodes.drain(node, drain)) };
    },
    status() {
      const all = agents();
      const reachable = all.filter(agent => agent.alive);
      const sights = fleet.nodes();
      const total = reachable.reduce((sum, agent) => sum + agent.max_concurrent, 0);
      return Promise.resolve({
        ...about(),
        nodes: {
          alive: sights.filter(node => node.alive).length,
          lost: sights.filter(node => !node.alive).length,
        },
        agents: { available: all.filter(agent => agent.available).length, total: all.length },
        slots: {
          free: all.reduce(
            (sum, agent) => sum + (agent.available ? agent.max_concurrent - agent.running : 0),
            0,
          ),
          total,
        },
        tasks: mirror.counts(),
      });
    },
  };
  return { ...operations, coordinate: createCoordinate(operations) };
}
