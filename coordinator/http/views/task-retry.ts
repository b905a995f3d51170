/** What `POST /api/tasks/{id}/retry` takes. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TaskIdSchema } from '../../../protocol/task.ts';

export const TaskRetrySchema = z
  .strictObject({
    task_id: TaskIdSchema.optional().describe('Of the new task; makes the request repeatable.'),
  })
  .meta({ id: 'TaskRetry' });

/** The same key of the same caller retries the same task once. */
export const retryId = (caller: string, task_id: string, key: string): string =>
  `r${createHash('sha256')
    .update(JSON.stringify([caller, task_id, key]))
    .digest('hex')
    .slice(0, 40)}`;
