import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createCooldownFile } from '../../node-agent/cooldown-file.ts';
import type { FinishedReport } from '../../protocol/report.ts';
import { type LoneNode, loneNode, script } from '../support/lone-node.ts';
import { runs } from '../support/running.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

/** A place where a scripted tool notes its starts, and the gate it waits at. */
async function place() {
  const directory = await temporaryDirectory();
  const log = join(directory, 'log');
  const gate = join(directory, 'open');
  return {
    log,
    gate,
    open: () => writeFile(gate, ''),
    /** Ids of the tools that have begun. */
    started: async (): Promise<number[]> => {
      if (!existsSync(log)) return [];
      const lines = (await readFile(log, 'utf8')).split('\n');
      return lines.filter(line => line.startsWith('start ')).map(line => Number(line.slice('start '.length)));
    },
  };
}

const begun = (started: () => Promise<number[]>): Promise<number> =>
  waitFor(async () => (await started())[0], { what: 'the tool' });

const gist = ({ outcome, error, text }: FinishedReport): string =>
  error?.code ?? `${outcome} ${text !== undefined && 'inline' in text ? text.inline : ''}`;

const inOutbox = (node: LoneNode): Promise<string[]> => readdir(join(node.state_dir, 'journal', 'outbox'));

describe('a node-agent that was killed', () => {
  test('while the tool ran ends the tool, reports the attempt as cut off, and does not run it again', async () => {
    const node = await loneNode();
    const { log, gate, started } = await place();
    const first = await node.startProcess();
    const prompt = script({ say: 'lost', log, gate });
    expect(await node.run({ prompt })).toMatchObject({ answer: 'accepted' });
    const tool = await begun(started);
    first.signal('SIGKILL');
    await first.ended;
    expect(runs(tool)).toBe(true);
    await node.startProcess();
    expect(runs(tool)).toBe(false);
    expect((await node.reported(1)).map(gist)).toEqual(['agent_restarted']);
    expect(await node.run({ prompt })).toMatchObject({ answer: 'accepted', phase: 'finished' });
    await node.drain(true);
    await waitFor(async () => (await node.status()).running.length === 0);
    expect(await started()).toHaveLength(1);
    expect(await node.reports()).toHaveLength(1);
  });

  test('after the result was on disk and before it was sent sends it in its next life', async () => {
    const node = await loneNode();
    const { gate, open } = await place();
    const first = await node.startProcess();
    await node.run({ prompt: script({ say: 'kept', gate }) });
    await node.nats.kill();
    await open();
    await waitFor(async () => (await inOutbox(node)).includes('t1.1'));
    first.signal('SIGKILL');
    await first.ended;
    await node.nats.restart();
    await node.startProcess();
    expect((await node.reported(1)).map(gist)).toEqual(['completed kept']);
    await waitFor(async () => (await inOutbox(node)).length === 0);
  });

  test('after the stream had the result and before it knew sends it again, and the stream keeps one', async () => {
    const node = await loneNode();
    const first = await node.startProcess();
    await node.acknowledge(false);
    await node.run({ prompt: script({ say: 'once' }) });
    await node.reported(1);
    expect(await inOutbox(node)).toEqual(['t1.1']);
    first.signal('SIGKILL');
    await first.ended;
    await node.acknowledge(true);
    await node.startProcess();
    await waitFor(async () => (await inOutbox(node)).length === 0);
    expect((await node.reports()).map(gist)).toEqual(['completed once']);
    expect(await node.run({ prompt: script({ say: 'once' }) })).toMatchObject({ phase: 'finished' });
  });

  test('while it drained is still drained, until it is told otherwise', async () => {
    const node = await loneNode();
    const first = await node.startProcess();
    expect(await node.drain(true)).toEqual({ draining: true, running: 0, outbox: 0 });
    first.signal('SIGKILL');
    await first.ended;
    const second = await node.startProcess();
    expect(await node.run()).toMatchObject({ answer: 'refused', error: { code: 'draining' } });
    expect(await node.drain(false)).toMatchObject({ draining: false });
    second.signal('SIGTERM');
    expect(await second.ended).toBe(0);
    await node.startProcess();
    expect((await node.status()).draining).toBe(false);
    expect(await node.run()).toMatchObject({ answer: 'accepted' });
    await node.reported(1);
  });
});

describe('a cancel', () => {
  test('of a tool that ignores the polite signal is answered in time, and all of the tool is gone', async () => {
    const node = await loneNode();
    const { log, started } = await place();
    await node.start();
    await node.run({ prompt: script({ hang: true, ignore_term: true, log }) });
    const tool = await begun(started);
    expect(await node.cancel()).toBe('stopped');
    expect(runs(tool)).toBe(false);
    expect((await node.reported(1)).map(gist)).toEqual(['cancelled']);
    expect(await node.cancel()).toBe('finished');
  });

  test('before the run makes it refused for ever', async () => {
    const node = await loneNode();
    await node.start();
    expect(await node.cancel()).toBe('unknown');
    expect(await node.run()).toMatchObject({ answer: 'refused', error: { code: 'attempt_refused' } });
  });
});

describe('a node', () => {
  test('answers requests sent at once with what it has, and runs the attempt once', async () => {
    const node = await loneNode();
    const { log, gate, open, started } = await place();
    await node.start();
    const prompt = script({ say: 'once', log, gate });
    const replies = await Promise.all([node.run({ prompt }), node.run({ prompt })]);
    expect(replies).toEqual([1, 2].map(() => ({ answer: 'accepted', phase: 'running', missing_slices: [] })));
    await open();
    await node.reported(1);
    expect(await node.run({ prompt })).toMatchObject({ answer: 'accepted', phase: 'finished' });
    expect(await started()).toHaveLength(1);
  });

  test('refuses with a code what it cannot take', async () => {
    const node = await loneNode({ agent: { max_concurrent: 1 } });
    const { gate, open } = await place();
    await node.start();
    const codeOf = async (over: Parameters<LoneNode['run']>[0]): Promise<string> => {
      const reply = await node.run(over);
      return reply.answer === 'refused' ? reply.error.code : reply.answer;
    };
    expect(await codeOf({ instance_id: 'someone-else' })).toBe('wrong_instance');
    expect(await codeOf({ agent_id: 'nobody' })).toBe('agent_unknown');
    expect(await codeOf({ task_id: 'one', epoch: 7, prompt: script({ say: 'x', gate }) })).toBe('accepted');
    expect(await codeOf({ task_id: 'two', epoch: 7 })).toBe('slots_taken');
    expect(await codeOf({ task_id: 'three', epoch: 6 })).toBe('stale_epoch');
    await open();
    await node.reported(1);
  });

  test('tells what remains of a cooldown, respects it at every door, and remembers it', async () => {
    const node = await loneNode({
      agent: { agent_type: 'cli_generic', command: '/bin/sh', args: ['-c', 'cat >/dev/null; exit 1'] },
    });
    const first = await node.startProcess();
    // What an earlier life was told by the service.
    first.signal('SIGTERM');
    await first.ended;
    await createCooldownFile(node.state_dir, 'one').save({ code: 'quota_exhausted', remaining_ms: 60_000 });
    await node.startProcess();
    const [agent] = (await node.status()).agents;
    expect(agent).toMatchObject({ health: 'ready', cooldown_code: 'quota_exhausted' });
    expect(agent?.cooldown_ms).toBeLessThanOrEqual(60_000);
    expect(await node.run()).toMatchObject({ answer: 'refused', error: { code: 'quota_exhausted' } });
    const asked = await node.connection.request('ccli.node.walnut.ask', '2+2?');
    expect(asked.headers?.get('Nats-Service-Error')).toContain('quota_exhausted');
  });

  test('sends an advert when a cooldown is over, without waiting for the next one', async () => {
    const node = await loneNode({ settings: { advert_interval: '1h' } });
    await createCooldownFile(node.state_dir, 'one').save({ code: 'rate_limited', remaining_ms: 6_000 });
    await node.start();
    const first = await node.status();
    expect(first.agents[0]?.cooldown_ms).toBeGreaterThan(0);
    // Adverts and answers to `status` share one count: what is beyond our own questions was sent unasked.
    let asked = 0;
    await waitFor(async () => {
      asked += 1;
      const { seq, agents } = await node.status();
      return agents[0]?.cooldown_ms === undefined && seq - first.seq > asked;
    });
    expect(await node.run()).toMatchObject({ answer: 'accepted' });
    await node.reported(1);
  });

  test('told to stop takes nothing new, waits for what runs, and then hands it back', async () => {
    const node = await loneNode({ settings: { drain_timeout: '300ms' } });
    const { log, started } = await place();
    const daemon = await node.startProcess();
    await node.run({ prompt: script({ hang: true, ignore_term: true, log }) });
    const tool = await begun(started);
    daemon.signal('SIGTERM');
    await daemon.logged('draining');
    expect(await daemon.ended).toBe(0);
    expect(runs(tool)).toBe(false);
    expect((await node.reports()).map(gist)).toEqual(['agent_restarted']);
    expect(daemon.log()).toContain('"event":"handing_back"');
    // Its own stopping is no operator's word.
    await node.startProcess();
    expect((await node.status()).draining).toBe(false);
  });

  test('obeys a restored store as a new fleet, and the store it was made from no longer', async () => {
    const node = await loneNode();
    await node.start();
    expect(await node.run({ epoch: 5 })).toMatchObject({ answer: 'accepted' });
    await node.reported(1);
    expect(await node.run({ fleet_id: 'f2', epoch: 1, attempt: 2 })).toMatchObject({ answer: 'accepted' });
    await node.reported(2);
    expect(await node.run({ epoch: 6, attempt: 3 })).toMatchObject({
      answer: 'refused',
      error: { code: 'stale_epoch' },
      epoch: 1,
    });
  });
});
