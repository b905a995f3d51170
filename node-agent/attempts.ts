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
import { admit, type KnownPhase } from './core/admission.ts';
import { createEpochFence } from './epoch.ts';
import { bareFailure, execute, type Speaker } from './execute.ts';
import { createIncomingText, type IncomingText } from './incoming.ts';
import {
  type AttemptId,
  type Journal,
  type OutboxEntry,
  OutboxEntrySchema,
  type Recovered,
} from './journal.ts';
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
  /** Results on disk that the stream does not have yet. */
  readonly pending: number;
  /** Ends every running attempt as `agent_restarted`, so that another node may take it up. */
  handBack(): Promise<void>;
  /** Resolves when no attempt runs. */
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

/** How many past attempts are remembered. */
const REMEMBER = 10_000;

const key = ({ task_id, attempt }: AttemptId): string => `${task_id}.${attempt}`;
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
  const past = new Map<string, 'finished' | 'refused'>();
  const accepting = new Map<string, Promise<RunReply>>();
  const sending = new Set<Promise<void>>();
  const fence = createEpochFence(epoch => journal.saveEpoch(epoch));

  const remember = (id: AttemptId, phase: 'finished' | 'refused'): void => {
    past.set(key(id), phase);
    for (const oldest of past.keys()) {
      if (past.size <= REMEMBER) break;
      past.delete(oldest);
    }
  };

  const phaseOf = (id: AttemptId): KnownPhase | undefined => {
    const attempt = live.get(key(id));
    if (attempt === undefined) return past.get(key(id));
    return attempt.incoming !== undefined && attempt.incoming.missing().length > 0 ? 'receiving' : 'running';
  };

  const send = (entry: OutboxEntry): void => {
    const sent = (async () => {
      try {
        await reporter.finished(entry, options.signal);
        await journal.acknowledge(entry.report);
      } catch (error) {
        // What was not sent stays on disk for the next life.
        if (!options.signal.aborted) throw error;
      }
    })().finally(() => {
      sending.delete(sent);
      options.onChange();
    });
    sending.add(sent);
    options.handOver(sent);
  };

  /** What cannot be kept on disk is sent from memory: lost only if the daemon is killed before the stream has it. */
  const finish = async (result: OutboxEntry): Promise<void> => {
    // First of all: whatever fails below, the attempt never runs again.
    remember(result.report, 'finished');
    const entry = sendable(options, result);
    try {
      await journal.finish(entry);
    } catch (error) {
      const { task_id, attempt } = entry.report;
      log.error('result_not_stored', { task_id, attempt, ...errorFields(error) });
    }
    send(entry);
  };

  const start = (request: RunRequest, agent: Agent, release: () => void): void => {
    const { task_id, attempt } = request;
    const id: AttemptId = { task_id, attempt };
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

  /** The slot is taken before the first await: two requests can never share the last one. */
  const accept = async (request: RunRequest, agent: Agent): Promise<RunReply> => {
    const release = agent.take();
    try {
      await fence.see(request.epoch);
      await journal.accept(request, agent.config.id);
    } catch (error) {
      release();
      log.error('journal_not_written', { task_id: request.task_id, ...errorFields(error) });
      return refused(new CcliError('outbox_full', undefined, { cause: error }));
    }
    if (phaseOf(request) === 'refused') {
      // Cancelled while the journal was being written.
      release();
      await journal.acknowledge(request);
      return answerFor(request);
    }
    start(request, agent, release);
    return answerFor(request);
  };

  return {
    get pending() {
      return sending.size;
    },
    async resume(recovered) {
      fence.restore(recovered.epoch);
      for (const id of recovered.done) remember(id, 'finished');
      for (const id of recovered.refused) remember(id, 'refused');
      for (const file of recovered.damaged) log.error('journal_damaged', { file });
      for (const entry of recovered.outbox) {
        remember(entry.report, 'finished');
        send(entry);
      }
      for (const { agent_id, ...id } of recovered.cut_off) {
        log.warn('attempt_cut_off', { ...id, agent_id });
        await finish(bareFailure(options, id, new CcliError('agent_restarted')));
      }
    },
    async run(request) {
      const agent = agents.get(request.agent_id);
      const facts = { ...options.facts(), instance_id, epoch: fence.epoch };
      const underWay = accepting.get(key(request));
      const known = underWay === undefined ? phaseOf(request) : 'running';
      const admission = admit(request, facts, agent?.status(), known);
      if (admission.decision === 'refuse') return refused(admission.error);
      if (underWay !== undefined) return await underWay;
      if (admission.decision === 'known' || agent === undefined) return answerFor(request);
      const answer = accept(request, agent).finally(() => accepting.delete(key(request)));
      accepting.set(key(request), answer);
      return await answer;
    },
    slice(request) {
      live.get(key(request))?.incoming?.put(request.index, Buffer.from(request.data, 'base64'));
      return answerFor(request);
    },
    async cancel(request) {
      if (request.instance_id !== instance_id) throw new CcliError('wrong_instance');
      if (request.epoch < fence.epoch) throw new CcliError('stale_epoch');
      await fence.see(request.epoch);
      const attempt = live.get(key(request));
      if (attempt !== undefined) {
        attempt.controller.abort(new CcliError('cancelled'));
        await attempt.ended;
        return { answer: 'stopped' };
      }
      if (phaseOf(request) === 'finished') return { answer: 'finished' };
      remember(request, 'refused');
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
      for (const { controller } of live.values()) controller.abort(new CcliError('agent_restarted'));
      await Promise.all([...live.values()].map(attempt => attempt.ended));
    },
    async idle() {
      while (live.size > 0) await Promise.all([...live.values()].map(attempt => attempt.ended));
    },
    async flushed() {
      while (sending.size > 0) await Promise.allSettled([...sending]);
    },
  };
}
