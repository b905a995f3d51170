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
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import type { Agent } from './agent.ts';
import { admit, isOfEarlierTask, type KnownPhase, misaddressed } from './core/admission.ts';
import { createEpochFence } from './epoch.ts';
import { bareFailure, execute, type Speaker } from './execute.ts';
import { createIncomingText, type IncomingText } from './incoming.ts';
import {
  type AttemptId,
  type Journal,
  attemptKey as key,
  type OutboxEntry,
  OutboxEntrySchema,
  type Recovered,
} from './journal.ts';
import { createOutbox } from './outbox.ts';
import { createPast } from './past.ts';
import type { Reporter } from './reporter.ts';

interface LiveAttempt extends AttemptId {
  readonly agent_id: string;
  readonly since: number;
  readonly controller: AbortController;
  readonly incoming: IncomingText | undefined;
  /** Settles when the attempt holds nothing any more: no process, no slot. */
  readonly ended: Promise<void>;
}

export interface Attempts {
  /** Takes up what the last life left: sends what had finished, reports what was cut off. */
  resume(recovered: Recovered): Promise<void>;
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

interface AttemptsOptions extends Speaker {
  readonly agents: ReadonlyMap<string, Agent>;
  readonly journal: Journal;
  readonly reporter: Reporter;
  readonly publishChunk: (id: AttemptId, n: number, text: string) => void;
  readonly facts: () => { draining: boolean; has_room: boolean };
  readonly max_output_bytes: number;
  readonly handOver: (work: Promise<unknown>) => void;
  /** Aborts when the daemon stops for good. */
  readonly signal: AbortSignal;
  readonly log: Log;
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
  const live = new Map<string, LiveAttempt>();
  const accepting = new Map<string, Promise<RunReply>>();
  const makingWay = new Map<string, Promise<void>>();

  const past = createPast({
    forget: (phase, id) => {
      options.handOver(journal.forget(phase, id));
    },
  });
  const fence = createEpochFence({
    write: record => journal.saveFence(record),
    async forget() {
      past.clear();
      try {
        await journal.forgetAll();
        log.warn('fleet_replaced');
        return true;
      } catch (error) {
        log.error('past_not_forgotten', errorFields(error));
        return false;
      }
    },
  });
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

  const phaseOf = (id: AttemptId): KnownPhase | undefined => {
    const attempt = live.get(key(id));
    if (attempt !== undefined)
      return attempt.incoming !== undefined && attempt.incoming.missing().length > 0
        ? 'receiving'
        : 'running';
    if (outbox.find(id) !== undefined) return 'finished';
    const known = past.phaseOf(id);
    return known === 'done' ? 'finished' : known;
  };

  const finish = (entry: OutboxEntry): Promise<void> => outbox.put(sendable(options, entry));

  const facts = () => {
    const { draining, has_room } = options.facts();
    // A disk that refuses results gets no more of them.
    return { instance_id, fence: fence.state, draining, has_room: has_room && outbox.unstored === 0 };
  };

  const refuse = (error: CcliError): RunReply => ({
    answer: 'refused',
    error: toErrorBody(error),
    ...(error.code === 'stale_epoch' && {
      epoch: fence.state.epoch,
      ...(fence.state.fleet_id !== undefined && { fleet_id: fence.state.fleet_id }),
    }),
  });

  const unwritten = (request: AttemptId, error: unknown): RunReply => {
    log.error('journal_not_written', { task_id: request.task_id, ...errorFields(error) });
    return refused(new CcliError('outbox_full', undefined, { cause: error }));
  };

  const start = (request: RunRequest, agent: Agent, release: () => void): void => {
    const { task_id, attempt, seq } = request;
    const id: AttemptId = { task_id, attempt, seq };
    const controller = new AbortController();
    const incoming = 'ref' in request.prompt ? createIncomingText(request.prompt.ref) : undefined;
    const work = async (): Promise<void> => {
      try {
        const entry = await execute({
          ...options,
          request,
          agent,
          incoming,
          controller,
          onStart: () => {
            log.info('attempt_started', { ...id, agent_id: agent.config.id });
            options.handOver(reporter.started(id));
          },
          onChunk: (n, text) => {
            options.publishChunk(id, n, text);
          },
        });
        log.info('attempt_finished', {
          ...id,
          agent_id: agent.config.id,
          outcome: entry.report.error?.code ?? 'completed',
        });
        await finish(entry);
      } catch (error) {
        log.error('attempt_broke', { ...id, ...errorFields(error) });
        await finish(bareFailure(options, id, new CcliError('internal', undefined, { cause: error })));
      } finally {
        live.delete(key(id));
        release();
      }
    };
    // One microtask late, so that the map holds the attempt before anything of it can end.
    const ended = Promise.resolve().then(work);
    live.set(key(id), {
      ...id,
      agent_id: agent.config.id,
      since: performance.now(),
      controller,
      incoming,
      ended,
    });
    options.handOver(ended);
  };

  const answerFor = (id: AttemptId): RunReply => {
    const phase = phaseOf(id);
    if (phase === undefined) return refused(new CcliError('attempt_unknown'));
    if (phase === 'refused') return refused(new CcliError('attempt_refused'));
    return { answer: 'accepted', phase, missing_slices: live.get(key(id))?.incoming?.missing() ?? [] };
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
    start(request, agent, release);
    return answerFor(request);
  };

  /** Forgets what is remembered of an attempt of an earlier task, on disk before in memory. */
  const forgetEarlier = async (request: RunRequest): Promise<void> => {
    for (const phase of ['done', 'refused'] as const) {
      const mark = past.find(phase, request);
      if (mark === undefined) continue;
      if (!isOfEarlierTask(mark.seq ?? (await journal.seqOf(phase, request)), request)) continue;
      await journal.forget(phase, request);
      past.drop(phase, request);
    }
  };

  /** Once for requests that come together: the second must not forget what the first has become. */
  const madeWayFor = (request: RunRequest): Promise<void> => {
    const earlier = makingWay.get(key(request));
    if (earlier !== undefined) return earlier;
    if (request.seq === undefined || past.phaseOf(request) === undefined) return Promise.resolve();
    const work = forgetEarlier(request).finally(() => makingWay.delete(key(request)));
    makingWay.set(key(request), work);
    return work;
  };

  return {
    get pending() {
      return outbox.pending;
    },
    get unstored() {
      return outbox.unstored;
    },
    async resume(recovered) {
      past.restore(recovered);
      await fence.restore(recovered.fence);
      for (const file of recovered.damaged) log.error('journal_damaged', { file });
      outbox.resume(recovered.outbox);
      for (const { agent_id, ...id } of recovered.cut_off) {
        log.warn('attempt_cut_off', { ...id, agent_id });
        await finish(bareFailure(options, id, new CcliError('agent_restarted')));
      }
    },
    async run(request) {
      const fault = misaddressed(request, facts());
      if (fault !== undefined) return refuse(fault);
      try {
        await fence.see(request);
        await madeWayFor(request);
      } catch (error) {
        return unwritten(request, error);
      }
      // Nothing is awaited from here until the slot is taken.
      const agent = agents.get(request.agent_id);
      const held = live.get(key(request)) ?? outbox.find(request);
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
      const fault = misaddressed(request, facts());
      if (fault !== undefined) return refuse(fault);
      live.get(key(request))?.incoming?.put(request.index, Buffer.from(request.data, 'base64'));
      return answerFor(request);
    },
    async cancel(request) {
      const fault = misaddressed(request, facts());
      if (fault !== undefined) throw fault;
      await fence.see(request);
      const attempt = live.get(key(request));
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
    live: () =>
      [...live.values()].map(({ task_id, attempt, agent_id, since }) => ({
        task_id,
        attempt,
        agent_id,
        elapsed_ms: Math.round(performance.now() - since),
      })),
    async handBack() {
      await Promise.all(accepting.values());
      for (const { controller } of live.values()) controller.abort(new CcliError('agent_restarted'));
      await Promise.all([...live.values()].map(attempt => attempt.ended));
    },
    async idle() {
      while (accepting.size + live.size > 0)
        await Promise.all([...accepting.values(), ...[...live.values()].map(attempt => attempt.ended)]);
    },
    flushed: () => outbox.flushed(),
  };
}
