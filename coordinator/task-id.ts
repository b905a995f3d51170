/** Names of tasks that nobody has named. */
import { randomBytes } from 'node:crypto';

export const newTaskId = (): string => `t${randomBytes(10).toString('hex')}`;
