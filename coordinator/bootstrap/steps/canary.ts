/** A prompt that is answered: the proof that all of it works. */
import { CcliError, type ErrorCode, fromErrorBody } from '../../../protocol/errors.ts';
import type { OperationReply } from '../../../protocol/operation.ts';
import { poll } from '../../embedded/poll.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';

/** What keeps an agent from tasks and is no fault of its installation. */
const OTHER_MATTERS: ReadonlySet<ErrorCode> = new Set([
  'agent_not_registered',
  'agent_disabled',
  'draining',
  'rate_limited',
  'quota_exhausted',
  'ssh_not_allowed',
  'outbox_full',
]);
/** What an agent that has only just been advertised may still say. */
const NOT_YET: ReadonlySet<ErrorCode> = new Set([
  'agent_starting',
  'agent_unknown',
  'node_lost',
  'wrong_instance',
]);
const PAUSE = { pause_ms: 200, max_pause_ms: 2_000 };

export function canaryStep(work: Work): Step {
  const { plan, wishes, progress, node, fleet, signal, watcher } = work;
  const [agent] = plan.facts.agents;
  return {
    name: 'canary',
    look() {
      if (!wishes.canary) return Promise.resolve({ right: 'not asked: --no-canary' });
      if (agent === undefined) return Promise.resolve({ right: 'not asked: no agent is configured' });
      if (progress.started === undefined && !(wishes.dry_run && progress.restart.length > 0))
        return Promise.resolve({ right: `nothing has changed; ask with \`ccli agents test ${agent.id}\`` });
      return Promise.resolve({ would: `send ${agent.id} a short prompt` });
    },
    async act() {
      if (agent === undefined) return 'no agent is configured';
      watcher.progress(`asking ${agent.id} for a short answer`);
      let last: CcliError | undefined;
      const reply = await poll(
        async (): Promise<OperationReply<'test'> | undefined> => {
          try {
            const found = await fleet.operations.test(
              { agent_id: agent.id, node, canary: true },
              { caller: fleet.caller, signal },
            );
            if (found.problem === undefined || !NOT_YET.has(found.problem.code)) return found;
            last = fromErrorBody(found.problem);
          } catch (error) {
            if (!(error instanceof CcliError && NOT_YET.has(error.code))) throw error;
            last = error;
          }
          return undefined;
        },
        { ...PAUSE, timeout_ms: wishes.patience_ms, signal },
      );
      if (reply === undefined) throw last ?? new CcliError('agent_starting');
      const { problem } = reply;
      if (problem === undefined) return `${agent.id} answers`;
      if (!OTHER_MATTERS.has(problem.code)) throw fromErrorBody(problem);
      watcher.note(`${agent.id} takes no tasks yet: ${problem.message}`);
      return `${agent.id} answers, and takes no tasks yet`;
    },
  };
}
