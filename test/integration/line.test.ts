/** The way in over SSH, from `exec` to the tool, on a host whose daemon is not there. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { dial } from '../../node-agent/line/socket.ts';
import type { Report } from '../../protocol/report.ts';
import { cut, join as joinText } from '../../protocol/text.ts';
import type { LineEnd } from '../support/line-end.ts';
import { lineHost } from '../support/line-host.ts';
import { runs } from '../support/running.ts';
import { countRuns, script } from '../support/stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const inline = (what: Record<string, unknown>): { inline: string } => ({ inline: script(what) });
const textOf = (line: LineEnd): string =>
  line
    .of('chunk')
    .map(({ chunk }) => chunk.text)
    .join('');

/** A tool that waits for a file, and tells how often it began. */
async function gated() {
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  const log = join(directory, 'log');
  return {
    prompt: inline({ say: 'done', gate, log }),
    open: () => writeFile(gate, ''),
    begun: () => waitFor(async () => (await countRuns(log)) > 0, { what: 'the tool at work' }),
    count: () => countRuns(log),
  };
}

test('a host without a daemon answers over a line, and says that something stands in', async () => {
  const host = await lineHost();
  const line = await host.ready();
  expect(await line.hello()).toMatchObject({ node: 'walnut', role: 'stand_in' });
  expect(await host.run(line, {})).toEqual({ answer: 'accepted', phase: 'running', missing_slices: [] });
  const end = await line.finished('t1');
  expect(end).toMatchObject({ outcome: 'completed', text: { inline: 'echo: hello' } });
  expect(textOf(line)).toBe('echo: hello');
  expect(line.reports().map(({ kind }) => kind)).toEqual(['started', 'finished']);
  const advert = await line.advertised(({ outbox, running }) => outbox === 0 && running.length === 0);
  expect(advert.stand_in).toBe(true);
});

test('what stands in goes by itself when nobody has a line to it and nothing runs', async () => {
  const host = await lineHost();
  const line = await host.ready();
  const pid = await host.holder();
  line.hangUp();
  expect(await line.ended).toBe(0);
  await waitFor(async () => (await host.holder()) === undefined, { what: 'the stand-in leaving' });
  await waitFor(() => pid !== undefined && !runs(pid));
  expect(await host.standInLog()).toContain('"event":"nothing_to_do"');
});

test('two that knock at the same moment meet the same stand-in', async () => {
  const host = await lineHost();
  const lines = [host.line(), host.line(), host.line()];
  const hellos = await Promise.all(lines.map(line => line.hello()));
  expect(new Set(hellos.map(({ instance_id }) => instance_id)).size).toBe(1);
});

test('two lines at once are told the same, and one acknowledgement is enough', async () => {
  const host = await lineHost();
  const [silent, other] = [await host.ready({ ack: false }), await host.ready()];
  const tool = await gated();
  await host.run(silent, { prompt: tool.prompt });
  await host.run(other, { prompt: tool.prompt });
  await tool.open();
  for (const line of [silent, other]) {
    expect(await line.finished('t1')).toMatchObject({ outcome: 'completed' });
    await waitFor(() => textOf(line) === 'done');
    await line.advertised(({ outbox, running, seq }) => seq > 1 && outbox === 0 && running.length === 0);
  }
  expect(await tool.count()).toBe(1);
});

test.each(['hangs up', 'is killed'] as const)(
  'an attempt goes on when its line %s, and its end comes over the next one, once run',
  async how => {
    const host = await lineHost();
    const first = await host.ready();
    const tool = await gated();
    await host.run(first, { prompt: tool.prompt });
    await tool.begun();
    if (how === 'hangs up') first.hangUp();
    else first.signal('SIGKILL');
    await first.ended;
    await tool.open();
    const second = host.line();
    expect(await second.finished('t1')).toMatchObject({ outcome: 'completed', text: { inline: 'done' } });
    expect((await second.hello()).instance_id).toBe((await first.hello()).instance_id);
    expect(await host.run(second, { prompt: tool.prompt })).toMatchObject({ phase: 'finished' });
    expect(await tool.count()).toBe(1);
  },
);

test('a result that nobody has acknowledged stays, and the next stand-in sends it', async () => {
  const host = await lineHost();
  const deaf = await host.ready({ ack: false });
  await host.run(deaf, {});
  await deaf.finished('t1');
  const pid = await host.holder();
  if (pid !== undefined) process.kill(pid, 'SIGTERM');
  expect(await deaf.ended).toBe(0);
  expect(deaf.of('advert').at(-1)?.advert.leaving).toBe(true);
  const next = await host.ready();
  expect(await next.finished('t1')).toMatchObject({ text: { inline: 'echo: hello' } });
  await next.advertised(({ outbox }) => outbox === 0);
});

test('a killed stand-in ends the line, and its successor reports what died with it', async () => {
  const host = await lineHost();
  const first = await host.ready();
  const tool = await gated();
  await host.run(first, { prompt: tool.prompt });
  await tool.begun();
  const pid = await host.holder();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  expect(await first.ended).toBe(0);
  const second = await host.ready();
  expect(await second.finished('t1')).toMatchObject({
    outcome: 'failed',
    error: { code: 'agent_restarted' },
  });
  expect(await host.run(second, { prompt: tool.prompt })).toMatchObject({ phase: 'finished' });
  expect(await tool.count()).toBe(1);
});

test('a cancel over the line ends the tool', async () => {
  const host = await lineHost();
  const line = await host.ready();
  const tool = await gated();
  await host.run(line, { prompt: tool.prompt });
  await tool.begun();
  const { instance_id } = await line.hello();
  const order = { v: 1, instance_id, fleet_id: 'f1', epoch: 1, task_id: 't1', attempt: 1 };
  expect(await line.request('cancel', order)).toEqual({ answer: 'stopped' });
  expect(await line.finished('t1')).toMatchObject({ outcome: 'cancelled' });
  expect(await line.request('cancel', { ...order, task_id: 'never-seen' })).toEqual({ answer: 'unknown' });
});

test('a long prompt comes in slices, and a long answer goes in slices, each acknowledged', async () => {
  const host = await lineHost();
  const line = await host.ready();
  const say = 'é'.repeat(1024);
  const prompt = new TextEncoder().encode(script({ say, repeat: 2560, left_out: 'x'.repeat(600_000) }));
  const pieces = cut(prompt);
  const sha256 = createHash('sha256').update(prompt).digest('hex');
  const ref = { slices: pieces.length, size_bytes: prompt.byteLength, sha256 };
  expect(await host.run(line, { prompt: { ref } })).toMatchObject({ missing_slices: [0, 1, 2] });
  const { instance_id } = await line.hello();
  const head = { v: 1, instance_id, fleet_id: 'f1', epoch: 1, task_id: 't1', attempt: 1 };
  for (const [index, piece] of pieces.entries())
    await line.request('slice', { ...head, index, data: Buffer.from(piece).toString('base64') });
  const { text } = await line.finished('t1');
  if (text === undefined || 'inline' in text) throw new Error('the answer came in one');
  const slices = line
    .reports()
    .filter((report): report is Extract<Report, { kind: 'slice' }> => report.kind === 'slice')
    .map(({ data }) => Buffer.from(data, 'base64'));
  expect(text.ref.size_bytes).toBe(2560 * 2048);
  expect(joinText(slices, text.ref, () => text.ref.sha256)).toBe(say.repeat(2560));
  await line.advertised(({ outbox, running, seq }) => seq > 3 && outbox === 0 && running.length === 0);
});

test('a reader that does not read loses chunks, and no report', async () => {
  const host = await lineHost();
  const line = await host.ready();
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  const repeat = 96;
  const say = 'x'.repeat(64 * 1024);
  await host.run(line, { prompt: inline({ say, repeat, gate }) });
  line.deafen();
  await writeFile(gate, '');
  await waitFor(async () => (await host.standInLog()).includes('"event":"line_slow"'), {
    what: 'the line being slow',
  });
  await waitFor(async () => (await host.standInLog()).includes('"event":"attempt_finished"'));
  line.listen();
  const { text } = await line.finished('t1');
  expect(text).toMatchObject({ ref: { size_bytes: repeat * say.length } });
  expect(textOf(line).length).toBeLessThan(repeat * say.length);
  await line.advertised(({ outbox, running, seq }) => seq > 3 && outbox === 0 && running.length === 0);
});

test('what is asked wrongly is answered by a code, and the line goes on', async () => {
  const host = await lineHost();
  const line = await host.ready();
  const codeOf = (id: number) =>
    waitFor(() => line.of('error').find(error => error.id === id)?.error.code, {
      what: `an error for ${id}`,
    });
  const say = (message: unknown): void => {
    line.send(`${JSON.stringify(message)}\n`);
  };
  say({ kind: 'request', v: 1, id: 90, verb: 'reboot', body: {} });
  say({ kind: 'request', v: 1, id: 91, verb: 'run', body: { task_id: 7 } });
  say({ kind: 'request', v: 99, id: 92, verb: 'run', body: {} });
  say({ kind: 'request', v: 1, id: 93, verb: 'probe', body: { agent_id: 'nobody' } });
  expect(await Promise.all([90, 91, 92, 93].map(codeOf))).toEqual([
    'invalid_request',
    'invalid_request',
    'unsupported_version',
    'agent_unknown',
  ]);
  expect(await line.request('status', {})).toMatchObject({ node: 'walnut', stand_in: true });
  expect(await line.request('drain', { drain: true })).toMatchObject({ draining: true });
  expect(await host.run(line, {})).toMatchObject({ answer: 'refused', error: { code: 'draining' } });
});

test.each([
  ['is no JSON', '{"kind":\n', 'invalid_request'],
  ['is of no kind there is', '{"kind":"song","v":1}\n', 'invalid_request'],
  ['is too long', `{"kind":"request","body":"${'x'.repeat(1024 * 1024 + 8192)}`, 'message_too_large'],
  ['is not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x0a]), 'invalid_request'],
])('a line with something in it that %s ends, and what runs goes on', async (_how, bytes, code) => {
  const host = await lineHost();
  const line = await host.ready();
  const tool = await gated();
  await host.run(line, { prompt: tool.prompt });
  line.send(bytes);
  expect(await line.ended).toBe(0);
  expect(line.of('error').map(({ id, error }) => [id, error.code])).toEqual([[undefined, code]]);
  await tool.open();
  expect(await host.line().finished('t1')).toMatchObject({ outcome: 'completed' });
});

test('what was asked before the other end hung up is still answered', async () => {
  const host = await lineHost();
  const line = host.line();
  const answer = line.request('status', {});
  line.hangUp();
  expect(await answer).toMatchObject({ node: 'walnut' });
  expect(await line.ended).toBe(0);
});

test('lines that died without a word do not keep out the next one, whose results come', async () => {
  const host = await lineHost();
  await host.ready();
  const dead: Socket[] = [];
  onTestFinished(() => {
    for (const socket of dead) socket.destroy();
  });
  for (let count = 0; count < 20; count += 1) {
    const socket = await dial(host.state_dir);
    if (socket === undefined) throw new Error('nobody answers');
    dead.push(socket);
  }
  const line = await host.ready();
  await host.run(line, {});
  expect(await line.finished('t1')).toMatchObject({ outcome: 'completed' });
  expect(await host.standInLog()).toContain('"event":"line_displaced"');
});

test('a state directory may have a path that no socket could have', async () => {
  const state_dir = join(await temporaryDirectory(), 'd'.repeat(120), 'state');
  const host = await lineHost({ state_dir });
  const line = await host.ready();
  await host.run(line, {});
  expect(await line.finished('t1')).toMatchObject({ outcome: 'completed' });
});

test('a host that is not set up says so in one line, and by the exit code', async () => {
  const host = await lineHost({ settings: { agents: [{ id: 'BAD', agent_type: 'cli_nothing' }] } });
  const line = host.line();
  expect(await line.ended).toBe(2);
  expect(line.said).toHaveLength(1);
  expect(line.of('error')[0]).toMatchObject({ error: { code: 'config_invalid', retryable: false } });
});

test('a host whose state directory cannot be made says so, too', async () => {
  const file = join(await temporaryDirectory(), 'file');
  await writeFile(file, '');
  const line = (await lineHost({ state_dir: join(file, 'state') })).line();
  expect(await line.ended).toBe(2);
  expect(line.of('error')[0]).toMatchObject({ error: { code: 'config_invalid' } });
});
