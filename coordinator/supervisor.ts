/**
 * Looks after the attempts that have been placed.
 *
 *     assigned ──asked until the node answers──> accepted ──its reports do the rest──>
 *
 * A node that does not answer is asked again, itself and no other: only its word, a confirmed stop, or a silence of
 * `lost_after_ms` makes room for another attempt.
 */
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import { LOST_AFTER_INTERVALS } from '../protocol/limits.ts';
import { type Attempt, isTerminal } from '../protocol/task.ts';
import type { AttemptCare } from './attempt.ts';
import type { Fleet, NodeSight } from './fleet.ts';
import type { Mirror, TaskEntry } from './mirror.ts';
import type { Steps } from './steps.ts';

export interface Supervisor {
  /** Does what the entry's current attempt needs now, if anything. */
  look(entry: TaskEntry): void;
  /** Stops what a node still runs of tasks that have ended: it was away when they did. */
  stopStrays(): void;
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
  stop_confirmed: boolean;
  next_at_ms: number;
  /** Since when the node has not listed it. */
  missing_since_ms: number | undefined;
}

const AGAIN_FROM_MS = 500;
const AGAIN_TO_MS = 5_000;
/** A node that has not confirmed a stop after this many tries is not waited for. */
const STOP_TRIES = 3;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { mirror, fleet, steps, care, clock } = options;
  const notes = new Map<string, Notes>();
  /** Attempts that were told to stop although their task has ended. */
  const strays = new Set<string>();

  const notesOn = (task_id: string, attempt: number): Notes => {
    const known = notes.get(task_id);
    if (known?.attempt === attempt) return known;
    const fresh: Notes = {
      attempt,
      accepted_by: undefined,
      busy: false,
      asked: 0,
      stopped: 0,
      stop_confirmed: false,
      next_at_ms: 0,
      missing_since_ms: undefined,
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
      own.stop_confirmed ||= confirmed;
      own.next_at_ms = clock() + AGAIN_FROM_MS;
      if (confirmed || own.stopped < STOP_TRIES) return;
      await steps.inTurn(entry.task_id, () => steps.take(entry, { step: 'cancel', stop_confirmed: false }));
    });
  };

  const giveUp = (entry: TaskEntry, own: Notes, attempt: Attempt, error: CcliError): void => {
    act('give up', entry, own, () => care.giveUp(entry, attempt, toErrorBody(error), false));
  };

  /**
   * Whether the node does not list the attempt, has nothing left to send, and this has been so for as long as a silent
   * node is waited for. Its report is then not going to come: the journal was lost, or the report was unreadable.
   */
  const isForgotten = ({ task_id }: TaskEntry, own: Notes, { advert }: NodeSight): boolean => {
    const listed = advert.running.some(one => one.task_id === task_id && one.attempt === own.attempt);
    if (listed || advert.outbox > 0) own.missing_since_ms = undefined;
    else own.missing_since_ms ??= clock();
    const grace_ms = Math.max(options.lost_after_ms, LOST_AFTER_INTERVALS * advert.interval_ms);
    return own.missing_since_ms !== undefined && clock() - own.missing_since_ms > grace_ms;
  };

  /** Why the attempt will not be heard of again, if so. */
  const whyGone = (
    entry: TaskEntry,
    own: Notes,
    attempt: Attempt,
    sight: NodeSight | undefined,
  ): CcliError | undefined => {
    if (sight?.alive === true) {
      const taken = entry.state.status === 'running' || own.accepted_by !== undefined;
      return taken && isForgotten(entry, own, sight) ? new CcliError('agent_restarted') : undefined;
    }
    if (fleet.silence(attempt.node) <= options.lost_after_ms) return undefined;
    return new CcliError('node_lost', `Node ${attempt.node} fell silent during the attempt.`);
  };

  const endCancelled = (entry: TaskEntry, own: Notes): void => {
    act('end cancelled', entry, own, async () => {
      const step = { step: 'cancel' as const, stop_confirmed: own.stop_confirmed };
      await steps.inTurn(entry.task_id, () => steps.take(entry, step));
    });
  };

  return {
    look(entry) {
      const attempt = entry.state.attempts.at(-1);
      if (attempt === undefined) return;
      const own = notesOn(entry.task_id, attempt.attempt);
      if (own.busy) return;
      const sight = fleet.node(attempt.node);
      const instance_id = sight?.advert.instance_id ?? attempt.instance_id;
      const due = clock() >= own.next_at_ms;
      if (!due) options.wakeAt(own.next_at_ms);
      const gone = whyGone(entry, own, attempt, sight);
      const unasked = entry.state.status === 'assigned' && own.accepted_by !== instance_id;
      if (entry.cancel_requested) {
        if (gone !== undefined) endCancelled(entry, own);
        else if (due && own.stopped < STOP_TRIES) stop(entry, own, attempt, instance_id);
      } else if (gone !== undefined) giveUp(entry, own, attempt, gone);
      else if (due && unasked && sight?.contested !== true) ask(entry, own, instance_id);
    },
    stopStrays() {
      const listed = new Set<string>();
      for (const { advert, alive } of fleet.nodes()) {
        if (!alive) continue;
        for (const { task_id, attempt } of advert.running) {
          const entry = mirror.get(task_id);
          const known = entry?.state.attempts.find(one => one.attempt === attempt);
          if (entry === undefined || known === undefined || !isTerminal(entry.state.status)) continue;
          const key = `${advert.instance_id}/${task_id}.${attempt}`;
          listed.add(key);
          if (strays.has(key)) continue;
          strays.add(key);
          options.act('stop stray', task_id, care.stop(entry, known, advert.instance_id));
        }
      }
      for (const key of strays) if (!listed.has(key)) strays.delete(key);
    },
    tidy() {
      for (const task_id of notes.keys()) {
        const status = mirror.get(task_id)?.state.status;
        if (status !== 'assigned' && status !== 'running') notes.delete(task_id);
      }
    },
  };
}
