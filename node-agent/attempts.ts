/**
 * The attempts of this node, from accept to the acknowledged report.
 *
 *     receiving ──prompt whole──> running ──driver settled, result on disk──> finished
 *
 * An attempt holds its slot from accept until `finished`. What has finished is remembered, so that asking for it
 * again starts nothing; a cancel of an attempt never met makes it `refused` for ever.
 */
import type {
  CancelAttemptReply,
  CancelAttemptRequest,
  RunReply,
  RunRequest,
  SliceRequest,
} from '../protocol/control.ts';
import { errorFields } from '../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import type { Agent } from './agent.ts';
import { createAuthority } from './authority.ts';
import { admit, isOfEarlierTask, type KnownPhase } from './core/admission.ts';
import { createWayMaker } from './earlier-task.ts';
import { bareFailure, type Speaker } from './execute.ts';
import {
  type AttemptId,
  type Journal,
  attemptKey as key,
  type OutboxEntry,
  OutboxEntrySchema,
  type Recovered,
} from './journal.ts';
import { createLiveAttempts, type LiveOptions } from './live-attempts.ts';
import { createOutbox } from './outbox.ts';
import { createPast } from './past.ts';
import type { Reporter } from './reporter.ts';

export interface Attempts {
  /** Takes up what the last life left: sends what had finished, reports what was cut off. */
  resume(recovered: Recovered): Promise<void>;
  /** For orders other than attempts. @throws CcliError `wrong_instance`, `stale_epoch`; as `Authority.obey` */
  obey(order: Pick<RunRequest, 'instance_id' | 'fleet_id' | 'epoch'>): Promise<void>;
  /** Never rejects for what a request asks: a refusal is an answer. */
  run(request: RunRequest): Promise<RunReply>;
  slice(request: SliceRequest): RunReply;
  /** Answers when the attempt has ended. @throws CcliError `wrong_instance`, `stale_epoch` */
  cancel(request: CancelAttemptRequest): Promise<CancelAttemptReply>;
  live(): (AttemptId & { agent_id: string; elapsed_ms: number })[];
  /** Results that the stream does not have yet. */
  readonly pending: number;
  /** Those of them that no disk has taken: a daemon that ends now loses them. */
  readonly unstored: number;
  /** Ends every running attempt as `agent_restarted`, so that another node may take it up. */
  handBack(): Promise<void>;
  /** Resolves when no attempt runs, and none is about to. */
  idle(): Promise<void>;
  /** Resolves when the stream has every result. */
  flushed(): Promise<void>;
}

interface AttemptsOptions extends Omit<LiveOptions, 'finish'> {
  /** Those there are now: one that is gone takes nothing new, and what runs on it goes on. */
  readonly agents: ReadonlyMap<string, Agent>;
  readonly journal: Journal;
  readonly reporter: Reporter;
  readonly facts: () => { draining: boolean; has_room: boolean };
  /** Aborts when the daemon stops for good. */
  readonly signal: AbortSignal;
  readonly onChange: () => void;
}

const refused = (error: CcliError): RunReply => ({ answer: 'refused', error: toErrorBody(error) });

/** A result that breaks its own schema would be refused wherever it comes: the attempt then failed. */
function sendable(speaker: Speaker, entry: OutboxEntry): OutboxEntry {
  const { error } = OutboxEntrySchema.safeParse(entry);
  return error === undefined
    ? entry
    : bareFailure(speaker, entry.report, new CcliError('internal', undefined, { cause: error }));
}

export function createAttempts(options: AttemptsOptions): Attempts {
  const { agents, journal, reporter, log, instance_id } = options;
  const accepting = new Map<string, Promise<RunReply>>();

  const past = createPast({
    forget: (phase, id) => {
      options.handOver(journal.forget(phase, id));
    },
  });
  const authority = createAuthority({ instance_id, journal, past, log });
  const madeWayFor = createWayMaker({ journal, past });
  const outbox = createOutbox({
    journal,
    reporter,
    damaged: id => bareFailure(options, id, new CcliError('agent_restarted')),
    onAcknowledged: id => {
      past.remember('done', id);
    },
    onChange: options.onChange,
    handOver: options.handOver,
    signal: options.signal,
    log,
  });
  const finish = (entry: OutboxEntry): Promise<void> => outbox.put(sendable(options, entry));
  const live = createLiveAttempts({ ...options, finish });

  const phaseOf = (id: AttemptId): KnownPhase | undefined => {
    const attempt = live.find(id);
    if (attempt !== undefined)
      return attempt.incoming !== undefined && attempt.incoming.missing().length > 0
        ? 'receiving'
        : 'running';
    if (outbox.find(id) !== undefined) return 'finished';
    const known = past.phaseOf(id);
    return known === 'done' ? 'finished' : known;
  };

  const facts = () => {
    const { draining, has_room } = options.facts();
    // A disk that refuses results gets no more of them.
    return { instance_id, fence: authority.state, draining, has_room: has_room && outbox.unstored === 0 };
  };

  const refuse = (error: CcliError): RunReply => ({
    answer: 'refused',
    error: toErrorBody(error),
    ...(error.code === 'stale_epoch' && {
      epoch: authority.state.epoch,
      ...(authority.state.fleet_id !== undefined && { fleet_id: authority.state.fleet_id }),
    }),
  });

  const unwritten = (request: AttemptId, error: unknown): RunReply => {
    log.error('journal_not_written', { task_id: request.task_id, ...errorFields(error) });
    return refused(new CcliError('outbox_full', undefined, { cause: error }));
  };

  const answerFor = (id: AttemptId): RunReply => {
    const phase = phaseOf(id);
    if (phase === undefined) return refused(new CcliError('attempt_unknown'));
    if (phase === 'refused') return refused(new CcliError('attempt_refused'));
    return { answer: 'accepted', phase, missing_slices: live.find(id)?.incoming?.missing() ?? [] };
  };

  /** An accepted attempt of which nothing has begun: it may be placed elsewhere. */
  const withdraw = async (id: AttemptId, error: CcliError): Promise<RunReply> => {
    try {
      await journal.withdraw(id);
    } catch (failure) {
      // The next life reports it as cut off, which whoever was refused it takes for what it is: late.
      log.error('journal_not_written', { task_id: id.task_id, ...errorFields(failure) });
    }
    return refused(error);
  };

  /** Never begins from now on, in this life or another. */
  const disown = async (id: AttemptId, error: CcliError): Promise<RunReply> => {
    past.remember('refused', id);
    try {
      await journal.refuse(id);
    } catch (failure) {
      return unwritten(id, failure);
    }
    return refused(error);
  };

  /** The slot is taken before the first await: two requests can never share the last one. */
  const accept = async (request: RunRequest, agent: Agent): Promise<RunReply> => {
    const release = agent.take();
    try {
      await journal.accept(request, agent.config.id);
    } catch (error) {
      release();
      return unwritten(request, error);
    }
    // Either may have come while the journal was being written.
    const cancelled = phaseOf(request) === 'refused';
    if (cancelled || options.facts().draining) {
      release();
      return await withdraw(request, new CcliError(cancelled ? 'attempt_refused' : 'draining'));
    }
    live.start(request, agent, release);
    return answerFor(request);
  };

  return {
    get pending() {
      return outbox.pending;
    },
    get unstored() {
      return outbox.unstored;
    },
    obey: order => authority.obey(order),
    async resume(recovered) {
      past.restore(recovered);
      await authority.restore(recovered.fence);
      for (const file of recovered.damaged) log.error('journal_damaged', { file });
      outbox.resume(recovered.outbox);
      for (const { agent_id, ...id } of recovered.cut_off) {
        log.warn('attempt_cut_off', { ...id, agent_id });
        await finish(bareFailure(options, id, new CcliError('agent_restarted')));
      }
    },
    async run(request) {
      const fault = authority.fault(request);
      if (fault !== undefined) return refuse(fault);
      try {
        await authority.see(request);
        await madeWayFor(request);
      } catch (error) {
        return unwritten(request, error);
      }
      // Nothing is awaited from here until the slot is taken.
      const agent = agents.get(request.agent_id);
      const held = live.find(request) ?? outbox.find(request);
      if (isOfEarlierTask(held?.seq, request)) {
        return refused(
          new CcliError('slots_taken', 'An earlier task of this id has not left this node yet; wait.'),
        );
      }
      const underWay = accepting.get(key(request));
      const known = underWay === undefined ? phaseOf(request) : 'running';
      const admission = admit(request, facts(), agent?.status(), known);
      if (admission.decision === 'refuse') return refuse(admission.error);
      if (admission.decision === 'disown') return await disown(request, admission.error);
      if (underWay !== undefined) return await underWay;
      if (admission.decision === 'known' || agent === undefined) return answerFor(request);
      const answer = accept(request, agent).finally(() => accepting.delete(key(request)));
      accepting.set(key(request), answer);
      return await answer;
    },
    slice(request) {
      const fault = authority.fault(request);
      if (fault !== undefined) return refuse(fault);
      live.find(request)?.incoming?.put(request.index, Buffer.from(request.data, 'base64'));
      return answerFor(request);
    },
    async cancel(request) {
      await authority.obey(request);
      const attempt = live.find(request);
      if (attempt !== undefined) {
        attempt.controller.abort(new CcliError(request.reason));
        await attempt.ended;
        return { answer: 'stopped' };
      }
      if (phaseOf(request) === 'finished') return { answer: 'finished' };
      past.remember('refused', request);
      await journal.refuse(request);
      return { answer: 'unknown' };
    },
    live: () => live.list(),
    async handBack() {
      await Promise.all(accepting.values());
      await live.stop();
    },
    async idle() {
      while (accepting.size + live.count > 0) await Promise.all([...accepting.values(), live.ended()]);
    },
    flushed: () => outbox.flushed(),
  };
}
