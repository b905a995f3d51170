/**
 * Looks after the attempts that have been placed.
 *
 *     assigned ──asked until the node answers──> accepted ──its reports do the rest──>
 *
 * A node that does not answer is asked again, itself and no other: only its word, a confirmed stop, or a silence of
 * `lost_after_ms` makes room for another attempt. Until then the attempts of a silent node are suspect, and left alone.
 * One that a node has accepted and lists no more is asked after, without ever being begun anew.
 */
import type { Advert } from '../protocol/advert.ts';
import type { StopReason } from '../protocol/control.ts';
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import { LOST_AFTER_INTERVALS } from '../protocol/limits.ts';
import { type Attempt, isTerminal } from '../protocol/task.ts';
import { type AttemptCare, deadlineLeft, stepAfterStop } from './attempt.ts';
import type { Fleet, NodeSight } from './fleet.ts';
import type { Mirror } from './mirror.ts';
import type { Steps } from './steps.ts';
import type { TaskEntry } from './task-entry.ts';

export interface Supervisor {
  /** Does what the entry's current attempt needs now, if anything. */
  look(entry: TaskEntry): void;
  /** Stops what a node still runs of tasks that have ended: it was away when they did. */
  stopStrays(): void;
  /** Forgets attempts that are over. */
  tidy(): void;
  /** Forgets everything: what another coordinator did meanwhile is not known here. */
  reset(): void;
}

interface SupervisorOptions {
  readonly mirror: Mirror;
  readonly fleet: Fleet;
  readonly steps: Steps;
  readonly care: AttemptCare;
  readonly clock: () => number;
  readonly lost_after_ms: number;
  /**
   * Whether every report that the node has sent so far is folded: one that still waits may be the very end of an attempt
   * that seems to be gone. Rejects when that cannot be told.
   */
  readonly reportsFolded: (node: string) => Promise<boolean>;
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
  /** When it may be asked after again. */
  recall_at_ms: number;
  /** The node has said that it does not know it, and will never begin it. */
  unknown: boolean;
  given_up_since_ms: number | undefined;
  next_give_up_ms: number;
}

const AGAIN_FROM_MS = 500;
const AGAIN_TO_MS = 5_000;
/** What the daemons of a node that is there say: one, or two while its name is contested. */
const advertsOf = ({ advert, alive, rival }: NodeSight): Advert[] =>
  alive ? [advert, ...(rival === undefined ? [] : [rival])] : [];

const listerOf = (sight: NodeSight, task_id: string, attempt: number): Advert | undefined =>
  advertsOf(sight).find(({ running }) =>
    running.some(one => one.task_id === task_id && one.attempt === attempt),
  );

/** For how many times `lost_after_ms` reports that are not folded keep an attempt from being given up. */
const UNFOLDED_PATIENCE = 10;
/** A node that has not confirmed a stop after this many tries is not waited for. */
const STOP_TRIES = 3;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { mirror, fleet, steps, care, clock } = options;
  const notes = new Map<string, Notes>();
  /** Attempts whose task has ended, and when each may be told once more to stop. */
  const strays = new Map<string, number>();

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
      recall_at_ms: 0,
      unknown: false,
      given_up_since_ms: undefined,
      next_give_up_ms: 0,
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

  const stop = (entry: TaskEntry, own: Notes, attempt: Attempt, to: string, reason: StopReason): void => {
    act('stop', entry, own, async () => {
      const confirmed = await care.stop(entry, attempt, to, reason);
      own.stopped += 1;
      own.stop_confirmed ||= confirmed;
      // It answers for the attempt: what it does not report, it is asked after.
      if (confirmed) own.accepted_by = to;
      own.next_at_ms = clock() + AGAIN_FROM_MS;
      if (confirmed || own.stopped < STOP_TRIES) return;
      const step = stepAfterStop(reason, attempt.attempt, false);
      await steps.inTurn(entry.task_id, () => steps.take(entry, step));
    });
  };

  const recall = (entry: TaskEntry, own: Notes, instance_id: string): void => {
    act('recall', entry, own, async () => {
      const known = await care.recall(entry, instance_id);
      own.recall_at_ms = clock() + AGAIN_TO_MS;
      if (known === 'under_way') own.missing_since_ms = undefined;
      if (known === 'under_way' || known === 'finished') own.accepted_by = instance_id;
      own.unknown ||= known === 'unknown';
    });
  };

  const giveUp = (entry: TaskEntry, own: Notes, attempt: Attempt, error: CcliError): void => {
    act('give up', entry, own, async () => {
      own.next_give_up_ms = clock() + AGAIN_FROM_MS;
      options.wakeAt(own.next_give_up_ms);
      own.given_up_since_ms ??= clock();
      // A report that nobody can read waits in the stream for ever, and must not keep the attempt with it.
      const patient = clock() - own.given_up_since_ms < UNFOLDED_PATIENCE * options.lost_after_ms;
      if (patient && !(await options.reportsFolded(attempt.node))) return;
      await care.giveUp(entry, attempt, toErrorBody(error), false);
    });
  };

  /** For how long the node has not listed an attempt that it had accepted. Of two daemons, one may be the wrong one. */
  const missingFor = (entry: TaskEntry, own: Notes, sight: NodeSight): number => {
    const taken = entry.state.status === 'running' || own.accepted_by !== undefined;
    const listed = listerOf(sight, entry.task_id, own.attempt) !== undefined;
    if (!taken || listed || sight.contested) own.missing_since_ms = undefined;
    else own.missing_since_ms ??= clock();
    return own.missing_since_ms === undefined ? 0 : clock() - own.missing_since_ms;
  };

  /**
   * Why the attempt will not be heard of again, if so. One that its node has long since finished and sent, and whose
   * report has not come, has been lost with the stream or could not be read.
   */
  const whyGone = (
    missing_ms: number,
    own: Notes,
    attempt: Attempt,
    sight: NodeSight | undefined,
  ): CcliError | undefined => {
    if (sight?.alive === true) {
      const grace_ms = Math.max(options.lost_after_ms, LOST_AFTER_INTERVALS * sight.advert.interval_ms);
      const silent = missing_ms > grace_ms && sight.advert.outbox === 0;
      return own.unknown || silent ? new CcliError('agent_restarted') : undefined;
    }
    if (fleet.silence(attempt.node) <= options.lost_after_ms) return undefined;
    return new CcliError('node_lost', `Node ${attempt.node} fell silent during the attempt.`);
  };

  const endStopped = (entry: TaskEntry, own: Notes, attempt: Attempt, reason: StopReason): void => {
    act('end stopped', entry, own, async () => {
      const step = stepAfterStop(reason, attempt.attempt, own.stop_confirmed);
      await steps.inTurn(entry.task_id, () => steps.take(entry, step));
    });
  };

  /** Why the task is to end, whatever its attempt does. */
  const whyStop = (entry: TaskEntry): StopReason | undefined => {
    if (entry.cancel_requested) return 'cancelled';
    const left_ms = deadlineLeft(entry, clock());
    if (left_ms === undefined) return undefined;
    if (left_ms > 0) options.wakeAt(clock() + left_ms);
    return left_ms <= 0 ? 'deadline_passed' : undefined;
  };

  /** Two adverts in a row without it. */
  const isOdd = (missing_ms: number, { advert }: NodeSight): boolean => missing_ms > 2 * advert.interval_ms;

  /** The daemon to speak to of the attempt: of two under one name, the one that has it. */
  const holderOf = (entry: TaskEntry, own: Notes, attempt: Attempt, sight: NodeSight | undefined): string => {
    if (sight === undefined) return attempt.instance_id;
    if (!sight.contested) return sight.advert.instance_id;
    const lister = listerOf(sight, entry.task_id, own.attempt);
    return lister?.instance_id ?? own.accepted_by ?? attempt.instance_id;
  };

  return {
    look(entry) {
      const attempt = entry.state.attempts.at(-1);
      if (attempt === undefined) return;
      const own = notesOn(entry.task_id, attempt.attempt);
      if (own.busy) return;
      const sight = fleet.node(attempt.node);
      const instance_id = holderOf(entry, own, attempt, sight);
      const due = clock() >= own.next_at_ms;
      if (!due) options.wakeAt(own.next_at_ms);
      const missing_ms = sight?.alive === true ? missingFor(entry, own, sight) : 0;
      const gone = whyGone(missing_ms, own, attempt, sight);
      const reason = whyStop(entry);
      const unasked = entry.state.status === 'assigned' && own.accepted_by === undefined;
      // Taken by a daemon that another one has followed: begun anew there, it might run twice.
      const inherited = own.accepted_by !== undefined && own.accepted_by !== instance_id;
      if (reason !== undefined) {
        if (gone !== undefined) endStopped(entry, own, attempt, reason);
        else if (due && own.stopped < STOP_TRIES) stop(entry, own, attempt, instance_id, reason);
      } else if (gone !== undefined) {
        if (clock() >= own.next_give_up_ms) giveUp(entry, own, attempt, gone);
      } else if (sight?.contested === true) return;
      else if (due && unasked) ask(entry, own, instance_id);
      else if (sight !== undefined && (inherited || isOdd(missing_ms, sight))) {
        if (clock() >= own.recall_at_ms) recall(entry, own, instance_id);
      }
    },
    stopStrays() {
      const listed = new Set<string>();
      for (const advert of fleet.nodes().flatMap(advertsOf)) {
        for (const { task_id, attempt } of advert.running) {
          const entry = mirror.get(task_id);
          const known = entry?.state.attempts.find(one => one.attempt === attempt);
          if (entry === undefined || known === undefined || !isTerminal(entry.state.status)) continue;
          const key = `${advert.instance_id}/${task_id}.${attempt}`;
          listed.add(key);
          if (clock() < (strays.get(key) ?? 0)) continue;
          strays.set(key, clock() + AGAIN_TO_MS);
          options.act('stop stray', task_id, care.stop(entry, known, advert.instance_id, 'cancelled'));
        }
      }
      for (const key of strays.keys()) if (!listed.has(key)) strays.delete(key);
    },
    tidy() {
      for (const task_id of notes.keys()) {
        const status = mirror.get(task_id)?.state.status;
        if (status !== 'assigned' && status !== 'running') notes.delete(task_id);
      }
    },
    reset() {
      notes.clear();
      strays.clear();
    },
  };
}
