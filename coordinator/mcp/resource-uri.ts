/** The addresses of resources, taken apart in one place. */
import { TASK_ID_PATTERN } from '../../protocol/subjects.ts';

export const AGENTS_URI = 'ccli://agents';
export const TASK_TEMPLATE = 'ccli://tasks/{task_id}';
export const RESPONSE_TEMPLATE = 'ccli://tasks/{task_id}/response';

export type Resource = { readonly kind: 'agents' } | { readonly kind: 'task'; readonly task_id: string };

/** What is behind an address; undefined when nothing is. */
export function resourceOf(uri: string): Resource | undefined {
  if (uri === AGENTS_URI) return { kind: 'agents' };
  const [, task_id] = /^ccli:\/\/tasks\/([^/]+)(?:\/response)?$/.exec(uri) ?? [];
  return task_id !== undefined && TASK_ID_PATTERN.test(task_id) ? { kind: 'task', task_id } : undefined;
}
