/** A line to a daemon that has no NATS, or has lost it, and how daemon and stand-in follow each other. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { takeOver } from '../../node-agent/line/take-over.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { type FinishedReport, ReportSchema } from '../../protocol/report.ts';
import { names as namesOf } from '../../protocol/subjects.ts';
import type { LineEnd } from '../support/line-end.ts';
import { type LineHost, lineHost } from '../support/line-host.ts';
import { startNatsProxy } from '../support/nats-proxy.ts';
import { testNats } from '../support/nats-server.ts';
import { runs } from '../support/running.ts';
import { countRuns, script } from '../support/stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const names = namesOf('ccli');

/** A tool that waits for a file, and tells how often it began. */
async function gated() {
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  const log = join(directory, 'log');
  return {
    prompt: { inline: script({ say: 'done', gate, log }) },
    open: () => writeFile(gate, ''),
    begun: () => waitFor(async () => (await countRuns(log)) > 0, { what: 'the tool at work' }),
    count: () => countRuns(log),
  };
}

/** A NATS behind a proxy, with a report stream that the test reads. */
async function reportStream() {
  const nats = await testNats();
  const proxy = await startNatsProxy(nats.port);
  onTestFinished(proxy.close);
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: names.reportsStream, subjects: [names.allReports] });
  return {
    proxy,
    connection,
    async finished(): Promise<FinishedReport[]> {
      const { state } = await manager.streams.info(names.reportsStream);
      const found: FinishedReport[] = [];
      for (let seq = Math.max(state.first_seq, 1); seq <= state.last_seq; seq += 1) {
        const message = await manager.streams.getMessage(names.reportsStream, { seq });
        const report = message === null ? undefined : ReportSchema.parse(message.json());
        if (report?.kind === 'finished') found.push(report);
      }
      return found;
    },
  };
}

const settled = (line: LineEnd, after = 3) =>
  line.advertised(({ outbox, running, seq }) => seq > after && outbox === 0 && running.length === 0);

test('a daemon that has never had NATS answers over a line', async () => {
  const host = await lineHost();
  const daemon = host.daemon();
  await daemon.logged('agent_ready');
  const line = await host.ready();
  const hello = await line.hello();
  expect(hello.role).toBe('daemon');
  await host.run(line, {});
  expect(await line.finished('t1')).toMatchObject({ outcome: 'completed', instance_id: hello.instance_id });
  expect((await settled(line)).stand_in).toBeUndefined();
  expect(await host.holder()).toBe(daemon.pid);
  daemon.signal('SIGTERM');
  expect(await daemon.ended).toBe(0);
  expect(await line.ended).toBe(0);
  expect(line.of('advert').at(-1)?.advert).toMatchObject({ leaving: true });
});

test('a daemon without NATS that is told to stop lets what runs finish, and keeps its result', async () => {
  const host = await lineHost({ settings: { drain_timeout: '30s' } });
  const daemon = host.daemon();
  const line = await host.ready({ ack: false });
  const tool = await gated();
  await host.run(line, { prompt: tool.prompt });
  await tool.begun();
  daemon.signal('SIGTERM');
  await line.advertised(({ draining }) => draining);
  line.hangUp();
  await tool.open();
  expect(await daemon.ended).toBe(0);
  expect(daemon.log()).toContain('"event":"results_left_on_disk"');
  const next = await host.ready();
  expect((await next.hello()).role).toBe('stand_in');
  expect(await next.finished('t1')).toMatchObject({ outcome: 'completed' });
  expect(await tool.count()).toBe(1);
});

test.each(['cut', 'partition'] as const)(
  'what ends behind a %s goes over the line, and not again when NATS is back',
  async how => {
    const stream = await reportStream();
    const host = await lineHost();
    const daemon = host.daemon(stream.proxy.url);
    await daemon.logged('connected');
    const line = await host.ready();
    const tool = await gated();
    await host.run(line, { prompt: tool.prompt });
    await tool.begun();
    stream.proxy[how]();
    if (how === 'cut') await daemon.logged('nats_disconnected');
    await tool.open();
    expect(await line.finished('t1')).toMatchObject({ outcome: 'completed', text: { inline: 'done' } });
    await settled(line);
    if (how === 'cut') stream.proxy.restore();
    else stream.proxy.heal('reset');
    await daemon.logged('nats_reconnected');
    await host.run(line, { task_id: 't2' });
    await waitFor(async () => (await stream.finished()).some(({ task_id }) => task_id === 't2'));
    expect((await stream.finished()).map(({ task_id }) => task_id)).toEqual(['t2']);
    expect(line.reports().some(({ task_id }) => task_id === 't2')).toBe(false);
    expect(await tool.count()).toBe(1);
  },
);

test('a result that nobody took over the line goes over NATS as soon as that is there', async () => {
  const stream = await reportStream();
  stream.proxy.cut();
  const host = await lineHost();
  host.daemon(stream.proxy.url);
  const line = await host.ready({ ack: false });
  await host.run(line, {});
  await line.finished('t1');
  line.hangUp();
  stream.proxy.restore();
  await waitFor(async () => (await stream.finished()).length === 1);
});

test('a daemon killed at work leaves it to a stand-in to say so, and nothing is run twice', async () => {
  const host = await lineHost();
  const daemon = host.daemon();
  const first = await host.ready();
  const tool = await gated();
  await host.run(first, { prompt: tool.prompt });
  await tool.begun();
  daemon.signal('SIGKILL');
  expect(await first.ended).toBe(0);
  const second = await host.ready();
  expect((await second.hello()).role).toBe('stand_in');
  expect(await second.finished('t1')).toMatchObject({ error: { code: 'agent_restarted' } });
  expect(await host.run(second, { prompt: tool.prompt })).toMatchObject({ phase: 'finished' });
  expect(await tool.count()).toBe(1);
});

function logged() {
  const lines: string[] = [];
  const to = {
    write(line: string) {
      lines.push(line);
    },
  };
  return { lines, log: createLog({ level: 'info', name: 'test', to }) };
}

async function standInAtWork(host: LineHost) {
  const line = await host.ready();
  const tool = await gated();
  await host.run(line, { prompt: tool.prompt });
  await tool.begun();
  return { line, tool };
}

test('a daemon waits until a stand-in has finished, and then has the node', async () => {
  const host = await lineHost();
  const { line, tool } = await standInAtWork(host);
  const daemon = host.daemon();
  await daemon.logged('waiting_for_stand_in');
  await line.advertised(({ draining }) => draining);
  expect(await host.run(line, { task_id: 't2' })).toMatchObject({ error: { code: 'draining' } });
  await tool.open();
  expect(await line.finished('t1')).toMatchObject({ outcome: 'completed' });
  expect(await line.ended).toBe(0);
  expect(line.of('advert').at(-1)?.advert).toMatchObject({ leaving: true, stand_in: true, outbox: 0 });
  await daemon.logged('agent_ready');
  const next = await host.ready();
  expect((await next.hello()).role).toBe('daemon');
  expect(await host.run(next, { task_id: 't2' })).toMatchObject({ answer: 'accepted' });
  expect(await next.finished('t2')).toMatchObject({ outcome: 'completed' });
  expect(await tool.count()).toBe(1);
});

test('of two daemons that want to follow a stand-in one is refused', async () => {
  const host = await lineHost();
  const { tool } = await standInAtWork(host);
  const daemons = [host.daemon()];
  await daemons[0]?.logged('waiting_for_stand_in');
  const late = host.daemon();
  expect(await late.ended).toBe(2);
  expect(late.log()).toContain('error state_in_use');
  await tool.open();
  await daemons[0]?.logged('agent_ready');
});

test('a daemon that is stopped while it waits for a stand-in stops at once', async () => {
  const host = await lineHost();
  const { line, tool } = await standInAtWork(host);
  const daemon = host.daemon();
  await daemon.logged('waiting_for_stand_in');
  daemon.signal('SIGTERM');
  expect(await daemon.ended).toBe(0);
  await tool.open();
  expect(await line.finished('t1')).toMatchObject({ outcome: 'completed' });
});

test('a daemon takes over from a stand-in that was killed', async () => {
  const host = await lineHost();
  const { line, tool } = await standInAtWork(host);
  const daemon = host.daemon();
  await daemon.logged('waiting_for_stand_in');
  const pid = await host.holder();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await line.ended;
  await daemon.logged('agent_ready');
  const next = await host.ready();
  expect(await next.finished('t1')).toMatchObject({ error: { code: 'agent_restarted' } });
  expect(await tool.count()).toBe(1);
});

test('a daemon does not wait for ever for a stand-in that hangs, and takes over once that is gone', async () => {
  const host = await lineHost();
  const { line } = await standInAtWork(host);
  const pid = await host.holder();
  if (pid === undefined) throw new Error('nothing stands in');
  onTestFinished(() => {
    if (runs(pid)) process.kill(pid, 'SIGCONT');
  });
  const { lines, log } = logged();
  const taken = takeOver({
    directory: host.state_dir,
    log,
    patience_ms: 100,
    onWaiting: () => undefined,
  });
  taken.catch(() => undefined);
  await line.advertised(({ draining }) => draining);
  process.kill(pid, 'SIGSTOP');
  await expect(taken).rejects.toMatchObject({
    code: 'start_failed',
    message: expect.stringContaining(String(pid)) as string,
  });
  expect(lines.join('')).toContain('"event":"stand_in_silent"');
  process.kill(pid, 'SIGKILL');
  const daemon = host.daemon();
  await daemon.logged('agent_ready');
});
