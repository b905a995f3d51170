/** The way of each part in lines: what has not been said of it yet. */
import type { CoordinateReply, Part } from '../../../protocol/coordination.ts';
import type { TaskSummary } from '../../../protocol/operation.ts';
import type { Progress } from '../progress.ts';

export interface PartStages {
  onTask(task: TaskSummary): void;
  /** The end of those whose end was not looked at in time. */
  onReply(reply: CoordinateReply): void;
}

export function createPartStages(progress: Progress, plan: CoordinateReply): PartStages {
  const names = new Map(plan.parts.map(part => [part.task_id, part.agent_id]));
  const said = new Map<string, string>();
  const say = (task_id: string, name: string, { status, error }: Pick<Part, 'status' | 'error'>): void => {
    const why = status === 'failed' && error !== undefined ? ` (${error.code})` : '';
    const text = `${name} ${SAYS[status]}${why}`;
    if (said.get(task_id) === text) return;
    said.set(task_id, text);
    progress.stage(text);
  };
  return {
    onTask(task) {
      say(task.task_id, task.agent_id ?? names.get(task.task_id) ?? task.task_id, task);
    },
    onReply({ parts }) {
      for (const part of parts) say(part.task_id, part.agent_id, part);
    },
  };
}

const SAYS: Readonly<Record<Part['status'], string>> = {
  planned: 'is planned',
  queued: 'is queued',
  assigned: 'is assigned',
  running: 'is running',
  completed: 'has answered',
  failed: 'has failed',
  cancelled: 'was cancelled',
};
