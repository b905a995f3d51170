/** The attempts that run here now, each from its start to the moment in which its result is on disk. */
import type { RunRequest } from '../protocol/control.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Agent } from './agent.ts';
import { bareFailure, execute, type Speaker } from './execute.ts';
import { createIncomingText, type IncomingText } from './incoming.ts';
import { type AttemptId, attemptKey as key, type OutboxEntry } from './journal.ts';
import type { Reporter } from './reporter.ts';

interface LiveAttempt extends AttemptId {
  readonly agent_id: string;
  readonly since: number;
  readonly controller: AbortController;
  readonly incoming: IncomingText | undefined;
  /** Settles when the attempt holds nothing any more: no process, no slot. */
  readonly ended: Promise<void>;
}

export interface LiveAttempts {
  readonly count: number;
  find(id: AttemptId): LiveAttempt | undefined;
  list(): (AttemptId & { agent_id: string; elapsed_ms: number })[];
  start(request: RunRequest, agent: Agent, release: () => void): void;
  /** Resolves when all that run now have ended. */
  ended(): Promise<void>;
  /** Ends each as `agent_restarted`. */
  stop(): Promise<void>;
}

export interface LiveOptions extends Speaker {
  readonly reporter: Pick<Reporter, 'started'>;
  readonly publishChunk: (id: AttemptId, n: number, text: string) => void;
  readonly max_output_bytes: number;
  readonly handOver: (work: Promise<unknown>) => void;
  readonly log: Log;
  /** Resolves once the result is on disk. */
  readonly finish: (entry: OutboxEntry) => Promise<void>;
}

export function createLiveAttempts(options: LiveOptions): LiveAttempts {
  const { reporter, log, finish } = options;
  const live = new Map<string, LiveAttempt>();
  const ended = async (): Promise<void> => {
    await Promise.all([...live.values()].map(attempt => attempt.ended));
  };

  return {
    get count() {
      return live.size;
    },
    find: id => live.get(key(id)),
    list: () =>
      [...live.values()].map(({ task_id, attempt, agent_id, since }) => ({
        task_id,
        attempt,
        agent_id,
        elapsed_ms: Math.round(performance.now() - since),
      })),
    start(request, agent, release) {
      const { task_id, attempt, seq } = request;
      const id: AttemptId = { task_id, attempt, seq };
      const agent_id = agent.config.id;
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
              log.info('attempt_started', { ...id, agent_id });
              options.handOver(reporter.started(id));
            },
            onChunk: (n, text) => {
              options.publishChunk(id, n, text);
            },
          });
          log.info('attempt_finished', {
            ...id,
            agent_id,
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
      const running = Promise.resolve().then(work);
      live.set(key(id), { ...id, agent_id, since: performance.now(), controller, incoming, ended: running });
      options.handOver(running);
    },
    ended,
    async stop() {
      for (const { controller } of live.values()) controller.abort(new CcliError('agent_restarted'));
      await ended();
    },
  };
}
