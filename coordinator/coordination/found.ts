/** What an earlier request under the same id has asked already. */
import type { TaskView } from '../../protocol/operation.ts';
import { type PartName, readPartId } from './part-id.ts';
import { again, type Tools } from './tools.ts';

export type FoundPart = PartName & { readonly agent_id: string; readonly view: TaskView };

/** More than the parts of one coordination. */
const PAGE = 100;

/** In the order of the plan that was made then. */
export async function findParts({
  operations,
  context,
  coordination_id,
  left,
}: Tools): Promise<readonly FoundPart[]> {
  const { tasks } = await operations.list({ group: coordination_id, limit: PAGE }, context);
  const own = tasks.filter(({ caller }) => caller === context.caller);
  const views = await Promise.all(
    own.map(({ task_id }) => again(() => operations.get({ task_id }, context), left, context.signal)),
  );
  const parts = views.flatMap((view): FoundPart[] => {
    const { agent_id } = view.options;
    const name = agent_id === undefined ? undefined : readPartId(coordination_id, view.task_id, agent_id);
    return name === undefined || agent_id === undefined ? [] : [{ ...name, agent_id, view }];
  });
  return parts.sort((a, b) => placeOf(a) - placeOf(b) || (a.view.task_id < b.view.task_id ? -1 : 1));
}

/** The judge last. */
const placeOf = (part: FoundPart): number => (part.role === 'judge' ? Number.MAX_SAFE_INTEGER : part.number);
