/** A task's way in lines: what its events and views say that has not been said yet. */
import type { ErrorCode } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import type { Progress } from './progress.ts';
import type { TaskEvent } from './stream/live.ts';

interface Stages {
  /** Nothing is said before it: an event may come before the answer to the submit. */
  submitted(task_id: string): void;
  onEvent(event: TaskEvent): void;
  onView(view: TaskView): void;
}

export function createStages(progress: Progress): Stages {
  const said = new Set<string>();
  let early: string[] | undefined = [];
  const say = (text: string): void => {
    if (said.has(text)) return;
    said.add(text);
    if (early === undefined) progress.stage(text);
    else early.push(text);
  };
  const begin = (): void => {
    const waiting = early ?? [];
    early = undefined;
    for (const text of waiting) progress.stage(text);
  };
  const running = (agent_id: string, node: string, attempt: number): void => {
    say(`running on agent ${agent_id} of node ${node}${attempt > 1 ? ` (attempt ${attempt})` : ''}`);
  };
  return {
    submitted(task_id) {
      progress.stage(`submitted ${task_id}`);
      begin();
    },
    onEvent({ status, agent_id, node, attempt }) {
      if (status === 'running' && agent_id !== undefined && node !== undefined)
        running(agent_id, node, attempt ?? 1);
    },
    onView(view) {
      begin();
      const current = view.attempts.at(-1);
      if (current?.started === true) {
        running(current.agent_id, current.node, current.attempt);
      } else if (view.status === 'assigned' && current !== undefined) {
        say(`assigned to agent ${current.agent_id} of node ${current.node}`);
      }
      if (view.suspect === true && current !== undefined)
        say(`node ${current.node} is silent; if it stays so, the task is tried elsewhere`);
      if (view.status !== 'queued') return;
      if (view.error !== undefined && current !== undefined) {
        const { code } = view.error;
        const how = !current.started && isRefusal(code) ? `was refused (${code})` : `ended with ${code}`;
        say(`attempt ${current.attempt} ${how}; queued again`);
      } else if (view.waiting_for !== undefined) {
        say(`queued: ${view.waiting_for}`);
      }
    },
  };
}

/** What an attempt that never started can end with although no node refused it. */
const NO_REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'node_lost',
  'agent_restarted',
  'task_timeout',
  'internal',
]);

const isRefusal = (code: ErrorCode): boolean => !NO_REFUSALS.has(code);
