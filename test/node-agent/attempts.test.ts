import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAgent } from '../../node-agent/agent.ts';
import { createAttempts } from '../../node-agent/attempts.ts';
import { createCooling } from '../../node-agent/cooling.ts';
import type { Driver, DriverResult } from '../../node-agent/drivers/driver.ts';
import { createJournal, type Journal, type OutboxEntry } from '../../node-agent/journal.ts';
import type { CancelAttemptRequest, RunRequest } from '../../protocol/control.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';
import { readAgent } from './drivers/fixture.ts';

interface Given {
  readonly journal?: Partial<Journal>;
  readonly result?: Partial<DriverResult>;
  readonly failure?: CcliError;
  readonly agent?: Record<string, unknown>;
  /** A journal that an earlier life has left. */
  readonly path?: string;
  /** What the tool does; without it, it answers "hi". */
  readonly run?: Driver['run'];
}

const full = (): Promise<never> => Promise.reject(new Error('ENOSPC'));

/** A promise that the test resolves. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const passed = new Promise<void>(resolve => {
    open = resolve;
  });
  return { passed, open };
}

/** Attempts on a real journal, with a driver and a stream in memory. */
async function attemptsWith({ journal: broken, result, failure, agent: settings, path: left, run }: Given) {
  const directory = await temporaryDirectory();
  const config = await readAgent(
    directory,
    { agent_type: 'cli_generic', command: '/bin/cat', ...settings },
    {},
  );
  const events: string[] = [];
  const note = (event: string): void => {
    events.push(event);
  };
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  let runs = 0;
  const driver: Driver = {
    warm: false,
    probe: () => Promise.resolve({ signed_in: 'yes' }),
    run(task, callbacks, signal) {
      runs += 1;
      if (run !== undefined) return run(task, callbacks, signal);
      callbacks.onChunk('hi');
      return failure === undefined
        ? Promise.resolve({ completeness: 'whole', warm: false, ...result })
        : Promise.reject(failure);
    },
    close: () => Promise.resolve(),
  };
  const closing = new AbortController();
  onTestFinished(() => {
    closing.abort();
  });
  const { signal } = closing;
  const told = { log, onChange: () => undefined };
  const clock = (): number => performance.now();
  const cooling = createCooling({ ...told, agent_id: config.id, signal, clock });
  const agent = createAgent({ ...told, config, driver, cooling });
  await agent.probe(signal);
  const path = left ?? join(directory, 'journal');
  const journal = createJournal(path);
  const recovered = await journal.recover();
  const sent: OutboxEntry[] = [];
  const facts = { draining: false, has_room: true };
  /** Called as each report goes out. */
  const stream: { onSend: (entry: OutboxEntry) => Promise<void> | void } = { onSend: () => undefined };
  const attempts = createAttempts({
    node: 'walnut',
    instance_id: 'i1',
    agents: new Map([['one', agent]]),
    journal: { ...journal, ...broken },
    reporter: {
      started: () => Promise.resolve(),
      async finished(entry) {
        await stream.onSend(entry);
        sent.push(entry);
      },
    },
    publishChunk: () => undefined,
    facts: () => facts,
    max_output_bytes: 1_000,
    handOver: work => {
      void work;
    },
    signal,
    log,
    onChange: () => undefined,
  });
  await attempts.resume(recovered);
  const settle = async (): Promise<void> => {
    await attempts.idle();
    await attempts.flushed();
  };
  const recover = () => createJournal(path).recover();
  return { attempts, agent, sent, stream, facts, events, settle, path, recover, runs: () => runs };
}

const request = (over: Partial<RunRequest> = {}): RunRequest => ({
  v: 1,
  instance_id: 'i1',
  fleet_id: 'f1',
  epoch: 1,
  task_id: 't1',
  attempt: 1,
  agent_id: 'one',
  prompt: { inline: 'x' },
  ...over,
});

const cancel = (over: Partial<CancelAttemptRequest> = {}): CancelAttemptRequest => ({
  v: 1,
  instance_id: 'i1',
  fleet_id: 'f1',
  epoch: 1,
  task_id: 't1',
  attempt: 1,
  reason: 'cancelled',
  ...over,
});

/** A tool that answers "hi" once the test lets it, or ends when it is told to. */
function gatedTool() {
  const { passed, open } = gate();
  const begun = gate();
  const run: Driver['run'] = async (_task, { onChunk }, signal) => {
    begun.open();
    await Promise.race([
      passed,
      new Promise<void>(resolve => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      }),
    ]);
    signal.throwIfAborted();
    onChunk('hi');
    return { completeness: 'whole', warm: false };
  };
  return { run, open, begun: begun.passed };
}

test('a result that no disk takes is sent all the same, and asking again starts nothing', async () => {
  const { attempts, sent, events, settle, path, runs } = await attemptsWith({ journal: { finish: full } });
  expect(await attempts.run(request())).toMatchObject({ answer: 'accepted', phase: 'running' });
  await settle();
  expect(events).toContain('result_not_stored');
  expect(sent.map(({ report, text }) => [report.outcome, text])).toEqual([['completed', 'hi']]);
  expect(await attempts.run(request())).toMatchObject({ answer: 'accepted', phase: 'finished' });
  await settle();
  expect(runs()).toBe(1);
  expect(sent).toHaveLength(1);
  expect(await readdir(join(path, 'accepted'))).toEqual([]);
});

test('a result that breaks its own schema is reported as a failure without it', async () => {
  const usage = { input_tokens: -1 };
  const { attempts, sent, settle, recover } = await attemptsWith({ result: { usage } });
  await attempts.run(request());
  await settle();
  expect(sent).toHaveLength(1);
  expect(sent[0]?.report).toMatchObject({ outcome: 'failed', error: { code: 'internal' } });
  expect(sent[0]?.report.usage).toBeUndefined();
  expect(sent[0]?.text).toBeUndefined();
  expect(await recover()).toMatchObject({ done: [{ task_id: 't1', attempt: 1 }], cut_off: [], outbox: [] });
});

test('a model name too long for the wire is cut, and an endless pause is shortened', async () => {
  const long = await attemptsWith({ result: { model: 'm'.repeat(300) } });
  await long.attempts.run(request());
  await long.settle();
  expect(long.sent[0]?.report).toMatchObject({ outcome: 'completed', model: 'm'.repeat(255) });
  const failure = new CcliError('rate_limited', undefined, { retry_after_ms: 1e300 });
  const slow = await attemptsWith({ failure });
  await slow.attempts.run(request());
  await slow.settle();
  expect(slow.sent[0]?.report.error).toMatchObject({ code: 'rate_limited', retry_after_ms: 30 * 86_400_000 });
});

test('a fence that could not be written once keeps nobody from working', async () => {
  let failed = false;
  const saveFence = (): Promise<void> => {
    if (failed) return Promise.resolve();
    failed = true;
    return full();
  };
  const { attempts, settle } = await attemptsWith({ journal: { saveFence } });
  expect(await attempts.run(request())).toMatchObject({ answer: 'refused', error: { code: 'outbox_full' } });
  expect(await attempts.run(request())).toMatchObject({ answer: 'accepted' });
  await settle();
});

describe('a fleet that replaces another', () => {
  test('begins with a clean memory, keeps what runs and what is unsent, and shuts the former one out', async () => {
    const { run, open, begun } = gatedTool();
    const first = { v: true };
    const { attempts, stream, sent, settle, runs, recover } = await attemptsWith({
      run: (task, callbacks, signal) => {
        if (task.task_id === 'long') return run(task, callbacks, signal);
        callbacks.onChunk(first.v ? 'first' : 'again');
        return Promise.resolve({ completeness: 'whole', warm: false });
      },
    });
    await attempts.run(request({ task_id: 'done' }));
    await attempts.cancel(cancel({ task_id: 'refused' }));
    await settle();
    const held = gate();
    stream.onSend = ({ report }) => (report.task_id === 'unsent' ? held.passed : undefined);
    await attempts.run(request({ task_id: 'long' }));
    await begun;
    await attempts.run(request({ task_id: 'unsent', epoch: 9 }));
    await waitFor(() => attempts.pending === 1);
    first.v = false;

    const anew = { fleet_id: 'f2', epoch: 1 } as const;
    expect(await attempts.run(request({ task_id: 'long', ...anew }))).toMatchObject({ phase: 'running' });
    expect(await attempts.run(request({ task_id: 'unsent', ...anew }))).toMatchObject({ phase: 'finished' });
    await attempts.run(request({ task_id: 'done', ...anew }));
    await waitFor(() => sent.filter(({ report }) => report.task_id === 'done').length === 2);
    await attempts.run(request({ task_id: 'refused', ...anew }));
    expect(await attempts.run(request({ task_id: 'long', epoch: 10 }))).toMatchObject({
      answer: 'refused',
      error: { code: 'stale_epoch' },
      epoch: 1,
    });
    await expect(attempts.cancel(cancel({ task_id: 'long' }))).rejects.toMatchObject({ code: 'stale_epoch' });
    expect(attempts.slice({ ...cancel({ task_id: 'long' }), index: 0, data: '' })).toMatchObject({
      error: { code: 'stale_epoch' },
    });
    open();
    held.open();
    await settle();
    expect(runs()).toBe(5);
    expect(sent.map(({ report, text }) => `${report.task_id} ${text ?? ''}`).sort()).toEqual([
      'done again',
      'done first',
      'long hi',
      'refused again',
      'unsent first',
    ]);
    expect((await recover()).fence).toEqual({ fleet_id: 'f2', epoch: 1, former: ['f1'] });
  });

  test('is remembered after a restart', async () => {
    const life = await attemptsWith({});
    await life.attempts.run(request());
    await life.settle();
    await life.attempts.cancel(cancel({ fleet_id: 'f2', task_id: 'other' }));
    const next = await attemptsWith({ path: life.path });
    expect(await next.attempts.run(request({ epoch: 99 }))).toMatchObject({ error: { code: 'stale_epoch' } });
    expect(await next.attempts.run(request({ fleet_id: 'f2', task_id: 'other' }))).toMatchObject({
      error: { code: 'attempt_refused' },
    });
    expect(await next.attempts.run(request({ fleet_id: 'f2' }))).toMatchObject({ phase: 'running' });
    await next.settle();
  });
});

describe('of requests that come at once', () => {
  test('two for one attempt get one answer and start one run', async () => {
    const { attempts, settle, runs, sent } = await attemptsWith({});
    const replies = await Promise.all([request(), request(), request()].map(one => attempts.run(one)));
    expect(replies.map(({ answer }) => answer)).toEqual(['accepted', 'accepted', 'accepted']);
    await settle();
    expect(runs()).toBe(1);
    expect(sent).toHaveLength(1);
  });

  test('two for the last slot share nothing: one gets it, and the next after its end', async () => {
    const { run, open } = gatedTool();
    const { attempts, settle, runs } = await attemptsWith({ run, agent: { max_concurrent: 2 } });
    const tasks = ['a', 'b', 'c'].map(task_id => request({ task_id }));
    const replies = await Promise.all(tasks.map(one => attempts.run(one)));
    const codes = replies.map(reply => (reply.answer === 'refused' ? reply.error.code : reply.answer));
    expect(codes.sort()).toEqual(['accepted', 'accepted', 'slots_taken']);
    open();
    await attempts.idle();
    expect(await attempts.run(request({ task_id: 'd' }))).toMatchObject({ answer: 'accepted' });
    await settle();
    expect(runs()).toBe(3);
  });

  test('the one that stops the daemon wins over one that is still being written down', async () => {
    const writing = gate();
    const begun = gate();
    const withdrawn: string[] = [];
    const { attempts, facts, settle, runs, agent } = await attemptsWith({
      journal: {
        async accept() {
          begun.open();
          await writing.passed;
        },
        withdraw: ({ task_id }) => {
          withdrawn.push(task_id);
          return Promise.resolve();
        },
      },
    });
    const answer = attempts.run(request());
    await begun.passed;
    facts.draining = true;
    const idle = attempts.idle();
    expect(await attempts.run(request({ task_id: 't2' }))).toMatchObject({ error: { code: 'draining' } });
    writing.open();
    await idle;
    expect(await answer).toMatchObject({ answer: 'refused', error: { code: 'draining' } });
    await attempts.handBack();
    await settle();
    expect(withdrawn).toEqual(['t1']);
    expect(runs()).toBe(0);
    expect(agent.status().running).toBe(0);
  });

  test('a cancel wins over an accept that is still being written down', async () => {
    const writing = gate();
    const begun = gate();
    const { attempts, settle, runs, recover } = await attemptsWith({
      journal: {
        async accept() {
          begun.open();
          await writing.passed;
        },
      },
    });
    const answer = attempts.run(request());
    await begun.passed;
    expect(await attempts.cancel(cancel())).toEqual({ answer: 'unknown' });
    writing.open();
    expect(await answer).toMatchObject({ answer: 'refused', error: { code: 'attempt_refused' } });
    await settle();
    expect(runs()).toBe(0);
    expect(await recover()).toMatchObject({ refused: [{ task_id: 't1', attempt: 1 }], cut_off: [] });
  });
});

describe('a cancel', () => {
  test('that races the end finds the result that came first', async () => {
    const cancelled = gate();
    const { attempts, settle, sent } = await attemptsWith({
      // The tool has its answer at the moment in which it is told to stop, and does not notice.
      run: async (_task, { onChunk }) => {
        await cancelled.passed;
        onChunk('hi');
        return { completeness: 'whole', warm: false };
      },
    });
    await attempts.run(request());
    const answer = attempts.cancel(cancel());
    cancelled.open();
    expect(await answer).toEqual({ answer: 'stopped' });
    await settle();
    expect(sent.map(({ report }) => report.outcome)).toEqual(['completed']);
    expect(await attempts.cancel(cancel())).toEqual({ answer: 'finished' });
  });

  test('that comes while the result is being written waits for it, and changes nothing', async () => {
    const writing = gate();
    const begun = gate();
    const { attempts, settle, sent, runs } = await attemptsWith({
      journal: {
        async finish() {
          begun.open();
          await writing.passed;
        },
      },
    });
    await attempts.run(request());
    await begun.passed;
    const answer = attempts.cancel(cancel());
    expect(await attempts.run(request())).toMatchObject({ answer: 'accepted' });
    writing.open();
    expect(await answer).toEqual({ answer: 'stopped' });
    await settle();
    expect(sent.map(({ report }) => report.outcome)).toEqual(['completed']);
    expect(runs()).toBe(1);
  });

  test('sent twice stops once, and both are told', async () => {
    const { run, begun } = gatedTool();
    const { attempts, settle, sent } = await attemptsWith({ run });
    await attempts.run(request());
    await begun;
    const answers = await Promise.all([attempts.cancel(cancel()), attempts.cancel(cancel())]);
    expect(answers).toEqual([{ answer: 'stopped' }, { answer: 'stopped' }]);
    await settle();
    expect(sent.map(({ report }) => report.outcome)).toEqual(['cancelled']);
    expect(await attempts.run(request())).toMatchObject({ phase: 'finished' });
  });

  test('before the run makes the attempt refused, in a later life too', async () => {
    const { attempts, path } = await attemptsWith({});
    expect(await attempts.cancel(cancel())).toEqual({ answer: 'unknown' });
    expect(await attempts.cancel(cancel())).toEqual({ answer: 'unknown' });
    expect(await attempts.run(request())).toMatchObject({ error: { code: 'attempt_refused' } });
    const next = await attemptsWith({ path });
    expect(await next.attempts.run(request())).toMatchObject({ error: { code: 'attempt_refused' } });
    expect(next.runs()).toBe(0);
  });

  test('for a deadline ends the attempt as failed with that code', async () => {
    const { run, begun } = gatedTool();
    const { attempts, settle, sent } = await attemptsWith({ run });
    await attempts.run(request());
    await begun;
    await attempts.cancel(cancel({ reason: 'deadline_passed' }));
    await settle();
    expect(sent[0]?.report).toMatchObject({ outcome: 'failed', error: { code: 'deadline_passed' } });
  });
});

describe('an attempt', () => {
  test.each<[string, Partial<RunRequest>, Record<string, unknown>, string]>([
    ['its timeout', { timeout_ms: 20 }, {}, 'task_timeout'],
    ['the deadline of its task', { timeout_ms: 60_000, deadline_ms: 20 }, {}, 'deadline_passed'],
    ['its timeout before the deadline', { timeout_ms: 20, deadline_ms: 60_000 }, {}, 'task_timeout'],
    ['the silence of its tool', {}, { idle_timeout: '20ms' }, 'cli_silent'],
  ])('is ended by %s', async (_what, over, agent, code) => {
    const { run } = gatedTool();
    const { attempts, settle, sent } = await attemptsWith({ run, agent });
    await attempts.run(request(over));
    await settle();
    expect(sent[0]?.report).toMatchObject({ outcome: 'failed', error: { code } });
  });

  test('whose tool was silent says for how long, and what to raise', async () => {
    const { run } = gatedTool();
    const { attempts, settle, sent } = await attemptsWith({ run, agent: { idle_timeout: '20ms' } });
    await attempts.run(request());
    await settle();
    expect(sent[0]?.report.error?.message).toBe(
      'The CLI gave no sign of life for 0.02 s and was stopped; run the prompt again, or raise idle_timeout of agent "one" on its node.',
    );
  });

  test('whose tool shows that it is at work goes on, without a word of its answer', async () => {
    const signs: number[] = [];
    const { attempts, settle, sent } = await attemptsWith({
      agent: { idle_timeout: '200ms' },
      run: async (_task, { onChunk, onActivity }, signal) => {
        for (let sign = 0; sign < 20; sign += 1) {
          await delay(20, undefined, { signal });
          signs.push(sign);
          onActivity?.();
        }
        onChunk('hi');
        return { completeness: 'whole', warm: false };
      },
    });
    await attempts.run(request());
    await settle();
    expect(signs).toHaveLength(20);
    expect(sent[0]?.report.outcome).toBe('completed');
  });

  test('that met a rate limit has its agent cooling down before the report of it goes out', async () => {
    const failure = new CcliError('rate_limited', undefined, { retry_after_ms: 5_000 });
    const { attempts, agent, stream, settle } = await attemptsWith({ failure });
    const seen: (string | undefined)[] = [];
    stream.onSend = () => {
      seen.push(agent.status().cooldown_code);
    };
    await attempts.run(request());
    await settle();
    expect(seen).toEqual(['rate_limited']);
    expect(await attempts.run(request({ task_id: 't2' }))).toMatchObject({
      answer: 'refused',
      error: { code: 'rate_limited', retryable: true },
    });
    // What was refused is not known: it may be asked for again, once the agent has cooled down.
    expect(await attempts.run(request())).toMatchObject({ phase: 'finished' });
  });

  test('that is only asked after and not known is refused for ever', async () => {
    const { attempts, path, runs } = await attemptsWith({});
    const ask = request({ known_only: true });
    expect(await attempts.run(ask)).toMatchObject({ answer: 'refused', error: { code: 'attempt_unknown' } });
    expect(await attempts.run(request())).toMatchObject({ error: { code: 'attempt_refused' } });
    const next = await attemptsWith({ path });
    expect(await next.attempts.run(request())).toMatchObject({ error: { code: 'attempt_refused' } });
    expect(runs() + next.runs()).toBe(0);
  });

  test('is refused while a result waits for room on the disk', async () => {
    const { attempts, stream } = await attemptsWith({ journal: { finish: full } });
    const held = gate();
    stream.onSend = () => held.passed;
    await attempts.run(request());
    await attempts.idle();
    expect(attempts.unstored).toBe(1);
    expect(await attempts.run(request({ task_id: 't2' }))).toMatchObject({ error: { code: 'outbox_full' } });
    held.open();
    await attempts.flushed();
    expect(await attempts.run(request({ task_id: 't2' }))).toMatchObject({ answer: 'accepted' });
    await attempts.flushed();
  });
});

describe('in the life after a kill', () => {
  test('an attempt whose result was not on disk is reported as cut off, once, and does not run again', async () => {
    const never = gate();
    const life = await attemptsWith({
      run: () => never.passed.then(() => Promise.reject(new Error('gone'))),
    });
    await life.attempts.run(request());
    const next = await attemptsWith({ path: life.path });
    await next.settle();
    expect(next.sent.map(({ report }) => report.error?.code)).toEqual(['agent_restarted']);
    expect(await next.attempts.run(request())).toMatchObject({ answer: 'accepted', phase: 'finished' });
    expect(next.runs()).toBe(0);
    const third = await attemptsWith({ path: life.path });
    await third.settle();
    expect(third.sent).toEqual([]);
    expect(await third.attempts.run(request())).toMatchObject({ phase: 'finished' });
  });

  test('a result that was on disk and not yet acknowledged is sent, and the attempt does not run again', async () => {
    const never = gate();
    const life = await attemptsWith({});
    life.stream.onSend = () => never.passed;
    await life.attempts.run(request());
    await life.attempts.idle();
    const next = await attemptsWith({ path: life.path });
    await next.settle();
    expect(next.sent.map(({ report, text }) => [report.outcome, text])).toEqual([['completed', 'hi']]);
    expect(await next.attempts.run(request())).toMatchObject({ phase: 'finished' });
    expect(next.runs()).toBe(0);
  });
});

describe('an id that is used again once its task was purged', () => {
  const rerun = request({ seq: 9, prompt: { inline: 'y' } });

  test('runs, and is then remembered as the new task', async () => {
    const { attempts, settle, runs, sent } = await attemptsWith({});
    await attempts.run(request({ seq: 5 }));
    await settle();
    expect(await attempts.run(request({ seq: 5 }))).toMatchObject({ phase: 'finished' });
    expect(await attempts.run(request())).toMatchObject({ phase: 'finished' });
    const replies = await Promise.all([attempts.run(rerun), attempts.run(rerun)]);
    expect(replies).toMatchObject([{ phase: 'running' }, { phase: 'running' }]);
    await settle();
    expect(await attempts.run(rerun)).toMatchObject({ phase: 'finished' });
    expect(await attempts.run(request({ seq: 5 }))).toMatchObject({ phase: 'finished' });
    expect(runs()).toBe(2);
    expect(sent.map(({ report }) => report.seq)).toEqual([5, 9]);
  });

  test('runs in a later life too, and the same task does not', async () => {
    const life = await attemptsWith({});
    await life.attempts.run(request({ seq: 5 }));
    await life.settle();
    const next = await attemptsWith({ path: life.path });
    expect(await next.attempts.run(request({ seq: 5 }))).toMatchObject({ phase: 'finished' });
    expect(await next.attempts.run(rerun)).toMatchObject({ phase: 'running' });
    await next.settle();
    const third = await attemptsWith({ path: life.path });
    expect(await third.attempts.run(rerun)).toMatchObject({ phase: 'finished' });
    expect([life.runs(), next.runs(), third.runs()]).toEqual([1, 1, 0]);
  });

  test('runs although the earlier one was refused for ever', async () => {
    const { attempts, settle, runs } = await attemptsWith({});
    await attempts.run(request({ seq: 5, known_only: true }));
    expect(await attempts.run(request({ seq: 5 }))).toMatchObject({ error: { code: 'attempt_refused' } });
    expect(await attempts.run(rerun)).toMatchObject({ answer: 'accepted' });
    await settle();
    expect(runs()).toBe(1);
  });

  test('is not what is only asked after: the earlier one is no trace of it', async () => {
    const { attempts, settle, runs } = await attemptsWith({});
    await attempts.run(request({ seq: 5 }));
    await settle();
    const asked = await attempts.run({ ...rerun, known_only: true });
    expect(asked).toMatchObject({ error: { code: 'attempt_unknown' } });
    expect(runs()).toBe(1);
  });

  test('waits for an earlier one that is still here', async () => {
    const { run, open, begun } = gatedTool();
    const { attempts, stream, settle, runs } = await attemptsWith({ run });
    const held = gate();
    stream.onSend = () => held.passed;
    await attempts.run(request({ seq: 5 }));
    await begun;
    expect(await attempts.run(rerun)).toMatchObject({ error: { code: 'slots_taken' } });
    open();
    await attempts.idle();
    expect(await attempts.run(rerun)).toMatchObject({ error: { code: 'slots_taken' } });
    held.open();
    await settle();
    expect(await attempts.run(rerun)).toMatchObject({ phase: 'running' });
    await settle();
    expect(runs()).toBe(2);
  });

  test('is not begun when the earlier one cannot be forgotten', async () => {
    const { attempts, settle, runs } = await attemptsWith({ journal: { forget: full } });
    await attempts.run(request({ seq: 5 }));
    await settle();
    expect(await attempts.run(rerun)).toMatchObject({ error: { code: 'outbox_full' } });
    expect(runs()).toBe(1);
  });

  test('that was cut off says which task it was', async () => {
    const never = gate();
    const life = await attemptsWith({
      run: () => never.passed.then(() => Promise.reject(new Error('gone'))),
    });
    await life.attempts.run(request({ seq: 5 }));
    const next = await attemptsWith({ path: life.path });
    await next.settle();
    expect(next.sent[0]?.report).toMatchObject({ seq: 5, error: { code: 'agent_restarted' } });
  });
});
