/** A task as the HTTP door shows it: the wire's view, with its whole answer and the time it took in seconds. */
import { z } from 'zod';
import { TaskSummarySchema, type TaskView, TaskViewSchema } from '../../../protocol/operation.ts';

export const TaskSchema = TaskViewSchema.omit({ response_ref: true })
  .extend({
    /** Of the attempt that gave the answer, on its node; absent before there is one. */
    execution_time: z.number().nonnegative().optional().describe('In seconds.'),
  })
  .meta({ id: 'Task', description: 'A task as it stands; with its whole answer once it has one.' });
export type TaskJson = z.infer<typeof TaskSchema>;

export const TaskListSchema = z
  .object({
    tasks: z.array(TaskSummarySchema.meta({ id: 'TaskSummary' })),
    next_cursor: z.string().optional().describe('Absent on the last page.'),
  })
  .meta({ id: 'TaskList', description: 'Newest first.' });

/** @param response the whole answer, also where the view only refers to it */
export function taskJson(view: TaskView, response: string | undefined): TaskJson {
  const { response_ref: _ref, ...rest } = view;
  return {
    ...rest,
    ...(response !== undefined && { response }),
    ...(view.execution_time_ms !== undefined && { execution_time: view.execution_time_ms / 1000 }),
  };
}
