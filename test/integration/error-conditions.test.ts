/**
 * Each row of the table in "When something goes wrong" of deploy/README.md, reproduced: a caller sees the code, the exit
 * code and the sentence that stand there, and what is said below it to happen by itself does.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSsh } from '../../coordinator/ssh/client.ts';
import { SshClientSettingsSchema } from '../../coordinator/ssh/settings.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { ERRORS } from '../../protocol/errors.ts';
import { ccli, type Finished } from '../coordinator/cli/support/fake-io.ts';
import { root } from '../support/built.ts';
import { type TestFleet, testFleet, testNode } from '../support/fleet.ts';
import { type GeminiStub, gate, startGeminiStub } from '../support/gemini-stub.ts';
import { type NatsProxy, startNatsProxy } from '../support/nats-proxy.ts';
import { findSshd, needsSshd, testSshd } from '../support/sshd.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

interface Row {
  readonly code: string | undefined;
  readonly exit: number;
  /** With `…` for what differs from case to case. */
  readonly sentence: string;
}

const table = await readTable();
const reproduced = new Set<string>();

async function readTable(): Promise<ReadonlyMap<string, Row>> {
  const text = await readFile(join(root, 'deploy', 'README.md'), 'utf8');
  const [, section = ''] = text.split('\n## When something goes wrong\n');
  const [rows = ''] = section.split('\n\n**');
  return new Map(
    rows
      .split('\n')
      .filter(line => line.startsWith('| ') && !/^\| (---|what happened) /.test(line))
      .map(line => {
        const [what = '', code = '', exit = '', sentence = ''] = line.slice(2, -2).split(' | ');
        const named = code === 'none' ? undefined : code.replaceAll('`', '');
        return [what, { code: named, exit: Number(exit), sentence: sentence.replaceAll(/^`|`$/g, '') }];
      }),
  );
}

/** What happened is what the row says. */
function expectRow(what: string, { code, err }: Finished): void {
  reproduced.add(what);
  const row = table.get(what);
  if (row === undefined) throw new Error(`deploy/README.md has no row "${what}"`);
  let from = 0;
  for (const part of row.sentence.split('…')) {
    const at = err.indexOf(part, from);
    expect(at, `"${part}" in:\n${err}`).toBeGreaterThanOrEqual(0);
    from = at + part.length;
  }
  const [, said] = /error (\w+):/.exec(err) ?? [];
  expect({ code: said, exit: code }).toEqual({ code: row.code, exit: row.exit });
}

test('every code of the table exits as the table says', () => {
  expect(table.size).toBeGreaterThan(10);
  const exits = new Map<string, number>(Object.entries(ERRORS).map(([code, { exit }]) => [code, exit]));
  for (const { code, exit } of table.values()) expect(exit).toBe(code === undefined ? 0 : exits.get(code));
});

interface Setting {
  readonly fleet: TestFleet;
  readonly stub: GeminiStub;
  /** Where the fleet is. */
  readonly at: readonly string[];
}

const gemini = (stub: GeminiStub, id: string, over: Record<string, unknown> = {}) => ({
  id,
  agent_type: 'cli_gemini',
  model: 'gemini-2.5-pro',
  env: stub.environment,
  ...over,
});

async function startStub(): Promise<GeminiStub> {
  const stub = await startGeminiStub({ answer: () => 'Here you are.' });
  onTestFinished(() => stub.close());
  return stub;
}

/** A fleet with one agent of the real CLI. */
async function withGemini(over: Record<string, unknown> = {}): Promise<Setting> {
  const stub = await startStub();
  const fleet = await testFleet();
  await fleet.startNode({ agents: [gemini(stub, 'walnut-gemini', over)] });
  await fleet.agentReady('walnut-gemini');
  return { fleet, stub, at: ['--nats', fleet.nats.url] };
}

/** The same, with a way between the node and NATS that can be cut. */
async function behindProxy(lost_after: number): Promise<Setting & { readonly proxy: NatsProxy }> {
  const stub = await startStub();
  const fleet = await testFleet({ lost_after });
  const proxy = await startNatsProxy(fleet.nats.port);
  onTestFinished(() => proxy.close());
  await testNode(
    { ...fleet.nats, url: proxy.url },
    { node: 'walnut', agents: [gemini(stub, 'walnut-gemini')], settings: { advert_interval: '200ms' } },
  );
  await fleet.agentReady('walnut-gemini');
  return { fleet, stub, proxy, at: ['--nats', fleet.nats.url] };
}

/** The model answers once the gate is open. */
function hold(stub: GeminiStub): { open: () => void } {
  const held = gate();
  stub.answer(async () => {
    await held.opened;
    return 'Here you are.';
  });
  onTestFinished(() => {
    held.open();
  });
  return held;
}

const agentOf = async (fleet: TestFleet, agent_id = 'walnut-gemini') =>
  (await fleet.call('agents', {})).agents.find(agent => agent.agent_id === agent_id);

const nodeIsLost = (fleet: TestFleet) =>
  waitFor(async () =>
    (await fleet.call('nodes', {})).nodes.some(({ node, alive }) => node === 'walnut' && !alive),
  );

describe('the network is interrupted in the middle of a task', () => {
  test('and is back in time: the same attempt ends the task', async () => {
    const { fleet, stub, proxy, at } = await behindProxy(60_000);
    const held = hold(stub);
    const running = ccli(['run', ...at, 'x']);
    await stub.received(1);
    proxy.cut();
    await nodeIsLost(fleet);
    const [task] = (await fleet.call('list', {})).tasks;
    expect(await fleet.call('get', { task_id: task?.task_id ?? '' })).toMatchObject({ suspect: true });
    held.open();
    // It ends while it is cut off, and is handed in afterwards.
    await waitFor(() => stub.requests[0]?.ended_at_ms !== undefined);
    proxy.restore();
    const finished = await running;
    expectRow("the node's network is cut, and back within `lost_after`", finished);
    expect(finished.out).toBe('Here you are.');
    expect(stub.requests).toHaveLength(1);
  });

  test('and stays so: the task starts again on another node', async () => {
    const { fleet, stub, proxy, at } = await behindProxy(1_000);
    const held = hold(stub);
    const running = ccli(['run', ...at, 'x']);
    await stub.received(1);
    proxy.cut();
    await testNode(fleet.nats, { node: 'ironwood', agents: [gemini(stub, 'ironwood-gemini')] });
    const [task] = (await fleet.call('list', {})).tasks;
    const view = () => fleet.call('get', { task_id: task?.task_id ?? '' });
    await waitFor(async () => (await view()).attempts[1]?.started === true);
    held.open();
    const finished = await running;
    expectRow('it stays cut, and another node can take the task', finished);
    expect(finished.out).toBe('Here you are.');
    const { attempts } = await view();
    expect(attempts).toMatchObject([
      { node: 'walnut', error: { code: 'node_lost' } },
      { node: 'ironwood', started: true },
    ]);
  });

  test('and stays so, for a task that may run only once: it fails', async () => {
    const { stub, proxy, at } = await behindProxy(1_000);
    hold(stub);
    const running = ccli(['run', ...at, '--max-attempts', '1', 'x']);
    await stub.received(1);
    proxy.cut();
    expectRow('it stays cut, and no attempt is left', await running);
  });

  test('between the caller and NATS: the task goes on, and the caller has its answer', async () => {
    const { fleet, stub } = await withGemini();
    const proxy = await startNatsProxy(fleet.nats.port);
    onTestFinished(() => proxy.close());
    const held = hold(stub);
    const running = ccli(['run', '--nats', proxy.url, 'x']);
    await stub.received(1);
    proxy.cut();
    held.open();
    const [task] = (await fleet.call('list', {})).tasks;
    await fleet.reaches(task?.task_id ?? '', 'completed');
    proxy.restore();
    const finished = await running;
    expectRow('the network between you and NATS is cut, and back within a minute', finished);
    expect(finished.out).toBe('Here you are.');
  });
});

describe('the CLI does not end', () => {
  test('within its timeout: it is stopped, not tried again, and its slot is free', async () => {
    const { fleet, stub, at } = await withGemini({ max_concurrent: 1 });
    const held = hold(stub);
    expectRow('the CLI takes longer than its timeout', await ccli(['run', ...at, '--timeout', '1s', 'x']));
    expect(stub.requests).toHaveLength(1);
    await waitFor(async () => (await agentOf(fleet))?.running === 0);
    held.open();
    expect(await ccli(['run', ...at, 'y'])).toMatchObject({ code: 0, out: 'Here you are.' });
  });

  test('and shows no sign of life: it is stopped, and tried again while attempts are left', async () => {
    const { stub, at } = await withGemini({ idle_timeout: '1s' });
    hold(stub);
    const finished = await ccli(['run', ...at, '--max-attempts', '2', 'x']);
    expectRow('the CLI gives no sign of life', finished);
    expect(stub.requests).toHaveLength(2);
  });
});

test('a model that does not exist fails the task at its first attempt, and a fallback chain goes on', async () => {
  const { fleet, stub, at } = await withGemini();
  stub.answer(({ model }) =>
    model === 'gemini-9' ? { status: 404, message: 'models/gemini-9 is not found' } : 'Here you are.',
  );
  expectRow('a model that does not exist', await ccli(['run', ...at, '--model', 'gemini-9', 'x']));
  expect(stub.requests.filter(({ model }) => model === 'gemini-9')).toHaveLength(1);
  expect(await agentOf(fleet)).toMatchObject({ available: true });
  const other = gemini(stub, 'ironwood-gemini', { model: 'gemini-2.5-flash' });
  await testNode(fleet.nats, { node: 'ironwood', agents: [{ ...other, models: ['gemini-2.5-flash'] }] });
  await fleet.agentReady('ironwood-gemini');
  stub.answer(({ model }) =>
    model === 'gemini-2.5-pro' ? { status: 404, message: 'it is gone' } : `I am ${model}.`,
  );
  const chain = ['run', ...at, '--fallback', 'walnut-gemini -> ironwood-gemini', 'x'];
  expect(await ccli(chain)).toMatchObject({ code: 0, out: 'I am gemini-2.5-flash.' });
});

describe('the model service asks to slow down', () => {
  const SLOW_DOWN = {
    status: 429,
    message: 'Resource has been exhausted (e.g. check quota).',
    details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3s' }],
  };

  const onceRefused = (stub: GeminiStub): void => {
    let times = 0;
    stub.answer(() => {
      times += 1;
      return times === 1 ? SLOW_DOWN : 'Here you are.';
    });
  };

  test('the agent cools down, and the task is tried again by itself', async () => {
    const { stub, at } = await withGemini();
    onceRefused(stub);
    const finished = await ccli(['run', ...at, 'x']);
    expectRow('a rate limit, with attempts left', finished);
    expect(finished.out).toBe('Here you are.');
  });

  test('a task without another attempt fails, the agent shows for how long, and a fallback takes over', async () => {
    const { fleet, stub, at } = await withGemini();
    stub.answer(() => ({ ...SLOW_DOWN, details: [{ ...SLOW_DOWN.details[0], retryDelay: '120s' }] }));
    const finished = await ccli(['run', ...at, '--max-attempts', '1', 'x']);
    expectRow('a rate limit, at the last attempt', finished);
    await waitFor(async () => (await agentOf(fleet))?.cooldown_code === 'rate_limited');
    expect((await ccli(['agents', ...at])).out).toContain('walnut-gemini is cooling down: rate_limited, ');
    stub.answer(() => 'Here you are.');
    await testNode(fleet.nats, { node: 'ironwood', agents: [gemini(stub, 'ironwood-gemini')] });
    await fleet.agentReady('ironwood-gemini');
    const chain = ['run', ...at, '--fallback', 'walnut-gemini -> ironwood-gemini', 'x'];
    expect(await ccli(chain)).toMatchObject({ code: 0, out: 'Here you are.' });
  });
});

test('tasks beyond the slots wait, until --max-wait when that is given, and get the slot that becomes free', async () => {
  const { fleet, stub, at } = await withGemini({ max_concurrent: 1 });
  const held = hold(stub);
  const first = ccli(['run', ...at, 'first']);
  await stub.received(1);
  const second = ccli(['run', ...at, 'second']);
  await waitFor(async () => (await fleet.call('list', { status: 'queued' })).tasks.length === 1);
  const impatient = await ccli(['run', ...at, '--max-wait', '1s', 'third']);
  expectRow('every slot is taken for longer than `--max-wait`', impatient);
  held.open();
  expect(await first).toMatchObject({ code: 0 });
  expect(await second).toMatchObject({ code: 0 });
  expect(stub.max_overlap).toBe(1);
});

const sshdIsHere = (await findSshd()) !== undefined;

describe('a host limits what may be open on it at once', () => {
  needsSshd('the limits are those of a real one');

  const measure = (config_file: string): Promise<Finished> =>
    ccli(['bench', '--ssh', 'walnut', '--ssh-config', config_file, '--runs', '1', '--no-save']);

  test('new connections: they are dropped, and one that is tried later gets through', async () => {
    const { port, config_file } = await testSshd({ settings: ['MaxStartups 1:100:1'] });
    const other = createConnection(port, '127.0.0.1');
    onTestFinished(() => {
      other.destroy();
    });
    // Its greeting: from here on the place is taken.
    await once(other, 'data');
    expectRow('sshd takes no more connections (`MaxStartups`)', await measure(config_file));
    other.destroy();
    await waitFor(async () => (await measure(config_file)).code === 0);
  });

  test('sessions on a connection: none at all is told as what it is', async () => {
    const { config_file } = await testSshd({ settings: ['MaxSessions 0'] });
    expectRow('sshd opens no session (`MaxSessions 0`)', await measure(config_file));
  });

  test('sessions on a connection: with fewer than were expected, commands wait their turn and none fails', async () => {
    const { config_file } = await testSshd({ settings: ['MaxSessions 2'] });
    const ssh = createSsh({
      settings: SshClientSettingsSchema.parse({ config_file, max_connections: 1, max_sessions: 8 }),
      environment: {},
      log: createLog({ level: 'silent', name: 'test' }),
    });
    onTestFinished(() => ssh.close());
    const { signal } = new AbortController();
    const open = join(await temporaryDirectory(), 'open');
    // Each holds its session until the file is there, so that more than two want one at a time.
    const argv = ['sh', '-c', 'until [ -e "$1" ]; do sleep 0.05; done; echo done', 'sh', open];
    const running = Array.from({ length: 6 }, () =>
      ssh.host('walnut').run({ argv }, { signal, timeout_ms: 60_000 }),
    );
    await waitFor(() => {
      const [counts] = ssh.counts();
      return counts?.sessions_in_use === 2 && counts.sessions_waiting === 4;
    });
    await writeFile(open, '');
    expect((await Promise.all(running)).map(({ code, stdout }) => [code, stdout])).toEqual(
      Array.from({ length: 6 }, () => [0, 'done\n']),
    );
  });
});

test('every row of the table was reproduced above', ({ skip }) => {
  // Run alone, by its name: nothing came before it.
  if (reproduced.size === 0) skip();
  const rows = [...table].filter(([, { code }]) => sshdIsHere || code?.startsWith('ssh_') !== true);
  expect(rows.map(([what]) => what).filter(what => !reproduced.has(what))).toEqual([]);
});
