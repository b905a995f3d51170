/**
 * Looks after the attempts that have been placed.
 *
 *     assigned ──asked until the node answers──> accepted ──its reports do the rest──>
 *
 * A node that does not answer is asked again, itself and no other: only its word, a confirmed stop, or a silence of
 * `lost_after_ms` makes room for another attempt.
 */
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import type { Attempt } from '../protocol/task.ts';
import type { AttemptCare } from './attempt.ts';
import type { Fleet, NodeSight } from './fleet.ts';
import type { Mirror, TaskEntry } from './mirror.ts';
import type { Steps } from './steps.ts';

export interface Supervisor {
  /** Does what the entry's current attempt needs now, if anything. */
  look(entry: TaskEntry): void;
  /** Forgets attempts that are over. */
  tidy(): void;
}

interface SupervisorOptions {
  readonly mirror: Mirror;
  readonly fleet: Fleet;
  readonly steps: Steps;
  readonly care: AttemptCare;
  readonly clock: () => number;
  readonly lost_after_ms: number;
  /** Runs work in the background and looks at everything again when it is done. */
  readonly act: (what: string, task_id: string, work: Promise<unknown>) => void;
  /** Looks at everything again at this time. */
  readonly wakeAt: (at_ms: number) => void;
}

/** What this coordinator knows of an attempt beyond its state; nothing of it needs to outlive the coordinator. */
interface Notes {
  readonly attempt: number;
  /** The daemon that has accepted it. */
  accepted_by: string | undefined;
  busy: boolean;
  asked: number;
  stopped: number;
  next_at_ms: number;
}

const AGAIN_FROM_MS = 500;
const AGAIN_TO_MS = 5_000;
/** A node that has not confirmed a stop after this many tries is not waited for. */
const STOP_TRIES = 3;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { mirror, fleet, steps, care, clock } = options;
  const notes = new Map<string, Notes>();

  const notesOn = (task_id: string, attempt: number): Notes => {
    const known = notes.get(task_id);
    if (known?.attempt === attempt) return known;
    const fresh: Notes = {
      attempt,
      accepted_by: undefined,
      busy: false,
      asked: 0,
      stopped: 0,
      next_at_ms: 0,
    };
    notes.set(task_id, fresh);
    return fresh;
  };

  /** One thing at a time for one attempt. */
  const act = (what: string, entry: TaskEntry, own: Notes, work: () => Promise<void>): void => {
    own.busy = true;
    const done = work().finally(() => {
      own.busy = false;
    });
    options.act(what, entry.task_id, done);
  };

  const ask = (entry: TaskEntry, own: Notes, instance_id: string): void => {
    act('ask', entry, own, async () => {
      const settled = await care.ask(entry, instance_id);
      if (settled) own.accepted_by = instance_id;
      else own.next_at_ms = clock() + Math.min(AGAIN_FROM_MS * 2 ** own.asked, AGAIN_TO_MS);
      own.asked += 1;
    });
  };

  const stop = (entry: TaskEntry, own: Notes, attempt: Attempt, instance_id: string): void => {
    act('stop', entry, own, async () => {
      const confirmed = await care.stop(entry, attempt, instance_id);
      own.stopped += 1;
      own.next_at_ms = clock() + AGAIN_FROM_MS;
      if (confirmed || own.stopped < STOP_TRIES) return;
      await steps.inTurn(entry.task_id, () => steps.take(entry, { step: 'cancel', stop_confirmed: false }));
    });
  };

  const giveUp = (entry: TaskEntry, own: Notes, attempt: Attempt, error: CcliError): void => {
    act('give up', entry, own, () => care.giveUp(entry, attempt, toErrorBody(error), false));
  };

  /** The daemon that had started the attempt is gone, and the one there now has had time to report its end. */
  const isForgotten = (entry: TaskEntry, attempt: Attempt, { advert }: NodeSight): boolean =>
    entry.state.status === 'running' &&
    attempt.instance_id !== advert.instance_id &&
    advert.outbox === 0 &&
    advert.uptime_ms > options.lost_after_ms;

  return {
    look(entry) {
      const attempt = entry.state.attempts.at(-1);
      if (attempt === undefined) return;
      const own = notesOn(entry.task_id, attempt.attempt);
      if (own.busy) return;
      const sight = fleet.node(attempt.node);
      // A node not heard of yet has been silent for as long as this coordinator lives.
      const silent_ms = sight?.silent_ms ?? clock();
      const instance_id = sight?.advert.instance_id ?? attempt.instance_id;
      const due = clock() >= own.next_at_ms;
      if (!due) options.wakeAt(own.next_at_ms);
      if (entry.cancel_requested) {
        if (due && own.stopped < STOP_TRIES) stop(entry, own, attempt, instance_id);
      } else if (sight?.alive !== true && silent_ms > options.lost_after_ms) {
        giveUp(
          entry,
          own,
          attempt,
          new CcliError('node_lost', `Node ${attempt.node} fell silent during the attempt.`),
        );
      } else if (sight !== undefined && isForgotten(entry, attempt, sight)) {
        giveUp(entry, own, attempt, new CcliError('agent_restarted'));
      } else if (
        entry.state.status === 'assigned' &&
        own.accepted_by !== instance_id &&
        sight?.contested !== true
      ) {
        if (due) ask(entry, own, instance_id);
      }
    },
    tidy() {
      for (const task_id of notes.keys()) {
        const status = mirror.get(task_id)?.state.status;
        if (status !== 'assigned' && status !== 'running') notes.delete(task_id);
      }
    },
  };
}
