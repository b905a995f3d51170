import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAgent } from '../../node-agent/agent.ts';
import { createAttempts } from '../../node-agent/attempts.ts';
import type { Driver, DriverResult } from '../../node-agent/drivers/driver.ts';
import { createJournal, type Journal, type OutboxEntry } from '../../node-agent/journal.ts';
import type { RunRequest } from '../../protocol/control.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readAgent } from './drivers/fixture.ts';

interface Trouble {
  readonly journal?: Partial<Journal>;
  readonly result?: Partial<DriverResult>;
  readonly failure?: CcliError;
}

const full = (): Promise<never> => Promise.reject(new Error('ENOSPC'));

/** Attempts on a real journal, with a driver and a stream in memory. */
async function attemptsWith({ journal: broken, result, failure }: Trouble) {
  const directory = await temporaryDirectory();
  const config = await readAgent(directory, { agent_type: 'cli_generic', command: '/bin/cat' }, {});
  const events: string[] = [];
  const note = (event: string): void => {
    events.push(event);
  };
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  let runs = 0;
  const driver: Driver = {
    warm: false,
    probe: () => Promise.resolve({ signed_in: 'yes' }),
    run(_task, { onChunk }) {
      runs += 1;
      onChunk('hi');
      return failure === undefined
        ? Promise.resolve({ completeness: 'whole', warm: false, ...result })
        : Promise.reject(failure);
    },
    close: () => Promise.resolve(),
  };
  const agent = createAgent({ config, driver, log, onChange: () => undefined });
  await agent.probe(new AbortController().signal);
  const path = join(directory, 'journal');
  const journal = createJournal(path);
  await journal.recover();
  const sent: OutboxEntry[] = [];
  const attempts = createAttempts({
    node: 'walnut',
    instance_id: 'i1',
    agents: new Map([['one', agent]]),
    journal: { ...journal, ...broken },
    reporter: {
      started: () => Promise.resolve(),
      finished: entry => {
        sent.push(entry);
        return Promise.resolve();
      },
    },
    publishChunk: () => undefined,
    facts: () => ({ draining: false, has_room: true }),
    max_output_bytes: 1_000,
    handOver: work => {
      void work;
    },
    signal: new AbortController().signal,
    log,
    onChange: () => undefined,
  });
  const settle = async (): Promise<void> => {
    await attempts.idle();
    await attempts.flushed();
  };
  const recover = () => createJournal(path).recover();
  return { attempts, sent, events, settle, path, recover, runs: () => runs };
}

const request = (over: Partial<RunRequest> = {}): RunRequest => ({
  v: 1,
  instance_id: 'i1',
  epoch: 1,
  task_id: 't1',
  attempt: 1,
  agent_id: 'one',
  prompt: { inline: 'x' },
  ...over,
});

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

test('an epoch that could not be written once keeps nobody from working', async () => {
  let failed = false;
  const saveEpoch = (): Promise<void> => {
    if (failed) return Promise.resolve();
    failed = true;
    return full();
  };
  const { attempts, settle } = await attemptsWith({ journal: { saveEpoch } });
  expect(await attempts.run(request())).toMatchObject({ answer: 'refused', error: { code: 'outbox_full' } });
  expect(await attempts.run(request())).toMatchObject({ answer: 'accepted' });
  await settle();
});
