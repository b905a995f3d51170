/** Registers agents one by one: what becomes of one is no matter to the others. */
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import type { CallContext } from '../../caller.ts';
import type { Operations } from '../../operations.ts';
import type { Progress } from '../progress.ts';
import { type About, type Asked, askedOf, type Wanted } from './wanted.ts';

export type Registered = About &
  (
    | { readonly outcome: 'registered'; readonly agent: AgentView }
    | (Asked & { readonly outcome: 'failed'; readonly error: CcliError })
    /** Whatever stopped the one before it would have stopped it too. */
    | (Asked & { readonly outcome: 'not_tried' })
  );

/** Errors that are not those of one agent. */
const FOR_ALL: ReadonlySet<ErrorCode> = new Set([
  'registration_off',
  'nats_unreachable',
  'nats_refused',
  'no_coordinator',
  'store_unavailable',
  'cancelled',
]);

export async function registerAll(
  operations: Operations,
  wanted: readonly Wanted[],
  { progress, ...context }: CallContext & { readonly progress: Progress },
): Promise<Registered[]> {
  const results: Registered[] = [];
  let stopped = false;
  for (const [index, { request, ...about }] of wanted.entries()) {
    if (request instanceof CcliError) {
      results.push({ ...about, outcome: 'failed', error: request });
    } else if (stopped) {
      results.push({ ...about, ...askedOf(request), outcome: 'not_tried' });
    } else {
      progress.stage(`registering ${about.agent_id} (${index + 1} of ${wanted.length})`);
      try {
        const { agent } = await operations.register(request, context);
        results.push({ ...about, outcome: 'registered', agent });
      } catch (error) {
        if (!(error instanceof CcliError)) throw error;
        stopped = FOR_ALL.has(error.code);
        results.push({ ...about, ...askedOf(request), outcome: 'failed', error });
      }
    }
  }
  return results;
}
