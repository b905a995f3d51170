import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ChunkSchema } from '../../protocol/output.ts';
import { scriptedAgent } from '../support/fleet.ts';
import { type SshStage, sshStage } from '../support/ssh-stage.ts';
import { needsSshd } from '../support/sshd.ts';
import { countRuns, expectEndedOnce, killed, script } from '../support/stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

needsSshd('a node is reached over a real one');

test('a node whose daemon is dead answers over SSH, and the task says so', async () => {
  const fleet = await sshStage();
  const coordinator = await fleet.startCoordinator();
  await killed(fleet.walnut.daemon);
  await fleet.walnutIs('reached over ssh', ({ alive, transport }) => alive && transport === 'ssh');
  const agent = await fleet.agentIs('free', ({ available }) => available);
  expect(agent).toMatchObject({ transport: 'ssh', ssh_fallback: 'on' });
  const view = await fleet.call('run', { prompt: 'hello' });
  expect(view).toMatchObject({
    status: 'completed',
    response: 'echo: hello',
    transport: 'ssh',
    attempts: [{ transport: 'ssh' }],
  });
  await coordinator.daemon.logged('line_opened');
});

test('a node that is cut off from NATS finishes the same attempt over SSH, once, and goes back to NATS', async () => {
  const fleet = await sshStage();
  const { daemon } = await fleet.startCoordinator();
  const directory = await temporaryDirectory();
  const [log, gate] = [join(directory, 'log'), join(directory, 'open')];
  await fleet.submit({ task_id: 'cut', prompt: script({ say: 'done', log, gate }) });
  await fleet.reaches('cut', 'running');
  fleet.walnut.proxy.partition();
  await fleet.walnutIs('reached over ssh', ({ alive, transport }) => alive && transport === 'ssh');
  await writeFile(gate, '');
  const state = await expectEndedOnce(fleet, 'cut', { status: 'completed', text: 'done' });
  expect(state.attempts).toMatchObject([{ attempt: 1, transport: 'ssh' }]);
  expect(await countRuns(log)).toBe(1);

  fleet.walnut.proxy.heal();
  await fleet.walnutIs('reached over NATS', ({ alive, transport }) => alive && transport === undefined);
  await daemon.logged('line_closed');
  const next = await fleet.call('run', { prompt: 'again' });
  expect(next).toMatchObject({ status: 'completed', transport: 'nats' });
});

test('a task that was never asked for before the cut is asked for over SSH, as the same attempt', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator();
  await fleet.agentIs('free', ({ available }) => available);
  const stop = fleet.walnut.proxy.onMessage('ccli.node.walnut.run', () => 'drop');
  await fleet.submit({ task_id: 'unheard', prompt: 'hello' });
  await fleet.reaches('unheard', 'assigned');
  fleet.walnut.proxy.cut();
  stop();
  const state = await expectEndedOnce(fleet, 'unheard', { status: 'completed', text: 'echo: hello' });
  expect(state.attempts).toMatchObject([{ attempt: 1, transport: 'ssh' }]);
});

test('an attempt outlives the SSH server it came over, and ends when that is back', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator();
  fleet.walnut.proxy.cut();
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  const directory = await temporaryDirectory();
  const [log, gate] = [join(directory, 'log'), join(directory, 'open')];
  await fleet.submit({ task_id: 'long', prompt: script({ say: 'done', log, gate }) });
  await fleet.reaches('long', 'running');
  await fleet.sshd.kill();
  await writeFile(gate, '');
  await fleet.walnut.daemon.logged('attempt_finished');
  await fleet.sshd.restart();
  const state = await expectEndedOnce(fleet, 'long', { status: 'completed', text: 'done' });
  expect(state.attempts).toHaveLength(1);
  expect(await countRuns(log)).toBe(1);
});

test('a task is cancelled over a line', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator();
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  await fleet.submit({ task_id: 'hangs', prompt: script({ hang: true }) });
  await fleet.reaches('hangs', 'running');
  await fleet.call('cancel', { task_id: 'hangs' });
  expect(await fleet.ended('hangs')).toMatchObject({ status: 'cancelled', stop_confirmed: true });
});

test('long prompts and long answers go over a line, and readers of the stream see the chunks', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator();
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  const chunks: string[] = [];
  const output = fleet.connection.subscribe('ccli.node.*.output.huge.*', {
    callback: (_error, message) => {
      chunks.push(ChunkSchema.parse(message.json()).text);
    },
  });
  const said = 'x'.repeat(1024);
  const words = script({ say: said, repeat: 5 * 1024, filler: 'y'.repeat(700_000) });
  const bytes = new TextEncoder().encode(words);
  const slices = Math.ceil(bytes.byteLength / (256 * 1024));
  for (let index = 0; index < slices; index += 1) {
    const data = Buffer.from(bytes.subarray(index * 256 * 1024, (index + 1) * 256 * 1024)).toString('base64');
    await fleet.call('upload', { task_id: 'huge', index, data });
  }
  const sha256 = await digest(bytes);
  await fleet.submit({ task_id: 'huge', prompt_ref: { slices, size_bytes: bytes.byteLength, sha256 } });
  const state = await fleet.ended('huge');
  expect(state.error).toBeUndefined();
  const result = await fleet.result('huge');
  expect(result?.text).toMatchObject({ ref: { size_bytes: 5 * 1024 * 1024 } });
  await waitFor(() => chunks.join('').length > 0);
  expect(chunks.join('')).toMatch(/^x+$/);
  output.unsubscribe();
});

const digest = async (bytes: Uint8Array): Promise<string> =>
  Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(bytes))).toString('hex');

test('an agent whose policy is off is not reached over SSH, and says how to allow it', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator();
  await fleet.agentIs('free', ({ available }) => available);
  await fleet.call('register', { agent_id: 'walnut-echo', canary: false });
  await fleet.call('update', { agent_id: 'walnut-echo', ssh_fallback: 'off' });
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('lost', ({ alive }) => !alive);
  // Its node is not even called on: there is nobody whom a line would serve.
  const { task_id } = await fleet.call('submit', { prompt: 'hello' });
  expect(existsSync(join(fleet.walnut.state_dir, 'stand-in.log'))).toBe(false);
  await fleet.call('update', { agent_id: 'walnut-echo', ssh_fallback: 'on' });
  const state = await fleet.ended(task_id);
  expect(state).toMatchObject({ status: 'completed', attempts: [{ transport: 'ssh' }] });
});

test('of two agents of a lost node, the one whose policy is off stays away', async () => {
  const fleet = await sshStage({ agents: [scriptedAgent('one'), scriptedAgent('two')] });
  await fleet.startCoordinator();
  await waitFor(async () => (await fleet.call('agents', {})).agents.every(({ available }) => available));
  await fleet.call('register', { agent_id: 'two', canary: false, ssh_fallback: 'off' });
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ agent_id, available }) => agent_id === 'one' && available);
  await fleet.call('run', { prompt: 'hello', agent_id: 'one' });
  const { task_id } = await fleet.call('submit', { prompt: 'hello', agent_id: 'two' });
  const waiting = await waitFor(async () => (await fleet.call('get', { task_id })).waiting_for);
  expect(waiting).toContain('--ssh-fallback on');
  const { agents } = await fleet.call('agents', {});
  expect(agents.find(({ agent_id }) => agent_id === 'two')).toMatchObject({ available: false, alive: true });
});

test('an agent whose policy is only works over SSH while NATS is there, and waits while SSH is not', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator({ hosts: { walnut: { host: 'walnut', fallback: 'only' } } });
  const agent = await fleet.agentIs('free', ({ available }) => available);
  expect(agent).toMatchObject({ transport: 'ssh', ssh_fallback: 'only' });
  // NATS is there all the same.
  expect((await fleet.walnutIs('alive', ({ alive }) => alive)).transport).toBeUndefined();
  const view = await fleet.call('run', { prompt: 'hello' });
  expect(view).toMatchObject({ status: 'completed', transport: 'ssh' });
  await fleet.sshd.kill();
  await fleet.agentIs('without a line', ({ available, alive }) => !available && alive);
  const { task_id } = await fleet.call('submit', { prompt: 'later' });
  const waiting = await waitFor(async () => (await fleet.call('get', { task_id })).waiting_for);
  expect(waiting).toContain('over SSH only');
  await fleet.sshd.restart();
  expect(await fleet.ended(task_id)).toMatchObject({
    status: 'completed',
    attempts: [{ transport: 'ssh' }],
  });
});

test('a node that has left in good order is not taken over', async () => {
  const fleet = await sshStage();
  const { daemon } = await fleet.startCoordinator();
  await fleet.agentIs('free', ({ available }) => available);
  fleet.walnut.daemon.signal('SIGTERM');
  expect(await fleet.walnut.daemon.ended).toBe(0);
  await fleet.walnutIs('gone', ({ alive }) => !alive);
  // Long after a node that has fallen silent would have been.
  await fleet.walnutIs('gone for long', ({ silent_ms }) => silent_ms > 3_000);
  expect(daemon.log()).not.toContain('line_opened');
  expect(existsSync(join(fleet.walnut.state_dir, 'stand-in.log'))).toBe(false);
});

test('another coordinator that takes over takes the line over as well, and any of them can ask the node', async () => {
  const fleet = await sshStage();
  const first = await fleet.startCoordinator();
  await fleet.leads(first);
  const second = await fleet.startCoordinator();
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  await first.daemon.logged('line_opened');
  expect(second.daemon.log()).not.toContain('line_opened');
  // Of several, either of the two may be the one that answers.
  for (let round = 0; round < 6; round += 1) {
    const { agents } = await fleet.call('agents', {});
    expect(agents).toMatchObject([{ alive: true, transport: 'ssh' }]);
    const drain = round % 2 === 0;
    expect(await fleet.call('drain', { node: 'walnut', drain })).toMatchObject({ draining: drain });
  }
  const directory = await temporaryDirectory();
  const [log, gate] = [join(directory, 'log'), join(directory, 'open')];
  await fleet.submit({ task_id: 'handed', prompt: script({ say: 'done', log, gate }) });
  await fleet.reaches('handed', 'running');
  await killed(first.daemon);
  await second.daemon.logged('line_opened');
  await writeFile(gate, '');
  const state = await expectEndedOnce(fleet, 'handed', { status: 'completed', text: 'done' });
  expect(state.attempts).toHaveLength(1);
  expect(await countRuns(log)).toBe(1);
});

test('a coordinator that is cut off itself opens no line', async () => {
  const fleet = await sshStage();
  const { daemon, proxy } = await fleet.startCoordinator();
  await fleet.agentIs('free', ({ available }) => available);
  proxy.cut();
  await daemon.logged('nats_disconnected');
  await daemon.logged('lease_not_reached');
  proxy.restore();
  await fleet.agentIs('free again', ({ available }) => available);
  expect(daemon.log()).not.toContain('line_opened');
});

test('a daemon that comes back takes over from what stood in for it', async () => {
  const fleet = await sshStage();
  await fleet.startCoordinator();
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  const { state_dir } = fleet.walnut;
  await fleet.node({ state_dir });
  await fleet.walnutIs(
    'back',
    ({ alive, contested, transport }) => alive && !contested && transport === undefined,
  );
  const view = await fleet.call('run', { prompt: 'hello' });
  expect(view).toMatchObject({ status: 'completed', transport: 'nats' });
});

test('an attempt whose agent may not be reached any more the way there is goes back to the queue, and runs once', async () => {
  const fleet = await sshStage({ agents: [scriptedAgent('one'), scriptedAgent('two')] });
  await fleet.startCoordinator();
  await waitFor(async () => (await fleet.call('agents', {})).agents.every(({ available }) => available));
  await fleet.call('register', { agent_id: 'two', canary: false, ssh_fallback: 'off' });
  const stop = fleet.walnut.proxy.onMessage('ccli.node.walnut.run', () => 'drop');
  const log = join(await temporaryDirectory(), 'log');
  await fleet.submit({ task_id: 'barred', agent_id: 'two', prompt: script({ say: 'done', log }) });
  await fleet.reaches('barred', 'assigned');
  fleet.walnut.proxy.cut();
  stop();
  const state = await fleet.reaches('barred', 'queued');
  expect(state).toMatchObject({ attempts: [{ refused: true, error: { code: 'ssh_not_allowed' } }] });
  fleet.walnut.proxy.restore();
  const ended = await expectEndedOnce(fleet, 'barred', { status: 'completed', text: 'done' });
  expect(ended.attempts.at(-1)).not.toHaveProperty('transport');
  expect(await countRuns(log)).toBe(1);
});

test('a coordinator with a line open stops when it is told to, and the node goes on', async () => {
  const fleet = await sshStage();
  const { daemon } = await fleet.startCoordinator();
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  daemon.signal('SIGTERM');
  expect(await daemon.ended).toBe(0);
  expect(daemon.log()).not.toMatch(/unexpected_error|closer_late/);
  const next = await fleet.startCoordinator();
  await next.daemon.logged('line_opened');
});

test.each([
  [
    'has no ccli',
    'node_not_installed',
    (fleet: SshStage) => rm(join(fleet.sshd.home, '.local'), { recursive: true }),
  ],
  ['shows another key', 'ssh_host_key_changed', (fleet: SshStage) => fleet.sshd.restart({ new_key: true })],
  ['does not answer', 'ssh_unreachable', (fleet: SshStage) => fleet.sshd.kill()],
])('why there is no line to a host that %s is in the log, once', async (_what, code, spoil) => {
  const fleet = await sshStage();
  await spoil(fleet);
  const { daemon } = await fleet.startCoordinator();
  await fleet.agentIs('free', ({ available }) => available);
  await killed(fleet.walnut.daemon);
  const lost = await waitFor(() => /.*"event":"line_lost".*/.exec(daemon.log())?.[0]);
  expect(lost).toContain(`"error_code":"${code}"`);
  expect(daemon.log().match(/line_lost/g)).toHaveLength(1);
});

test('without NATS nothing is accepted, whatever SSH could reach; its lines show in the metrics', async () => {
  const fleet = await sshStage();
  const { daemon, proxy } = await fleet.startCoordinator({}, { http: { enabled: true, port: 0 } });
  await killed(fleet.walnut.daemon);
  await fleet.agentIs('reached over ssh', ({ available, transport }) => available && transport === 'ssh');
  const url = await waitFor(() => /"http_listening","url":"([^"]+)"/.exec(daemon.log())?.[1]);
  await fleet.call('run', { prompt: 'hello' });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain('ccli_line_open{node="walnut"} 1');
  expect(metrics).toMatch(/^ccli_line_reports [1-9]/m);
  expect(metrics).toContain('ccli_ssh_connections{host="walnut"} 1');
  proxy.cut();
  await daemon.logged('nats_disconnected');
  const refused = await fetch(`${url}/api/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'hello' }),
  });
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: 'store_unavailable' });
});
