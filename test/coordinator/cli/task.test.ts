import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import { CcliError, toErrorBody } from '../../../protocol/errors.ts';
import { ListReplySchema, type OperationRequest, TaskViewSchema } from '../../../protocol/operation.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from './support/fake-io.ts';
import {
  type ScriptedOptions,
  type ScriptedTask,
  startScriptedCoordinator,
} from './support/scripted-coordinator.ts';

let nats: TestNats;
let fleets = 0;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});

/** A fleet whose tasks do what the test tells each of them to do. */
async function fleet(options: Pick<ScriptedOptions, 'wrap' | 'keepOutput'> = {}) {
  fleets += 1;
  const prefix = `task${fleets}`;
  const tasks: ScriptedTask[] = [];
  const coordinator = await startScriptedCoordinator({
    url: nats.url,
    prefix,
    script: task => {
      tasks.push(task);
    },
    ...options,
  });
  onTestFinished(() => coordinator.stop());
  const at = ['--nats', nats.url, '--prefix', prefix];
  const submit = async (prompt = 'hello'): Promise<ScriptedTask> => {
    const { out } = await ccli(['submit', ...at, prompt]);
    const task = tasks.find(({ task_id }) => task_id === out.trim());
    if (task === undefined) throw new Error(`submit printed ${out}`);
    return task;
  };
  return { at, coordinator, submit };
}

describe('ccli submit', () => {
  test('prints the task id and nothing else', async () => {
    const { at } = await fleet();
    const { code, out, err } = await ccli(['submit', ...at, 'hello']);
    expect(out).toMatch(/^[a-z2-7]{20}\n$/);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('prints the whole task with --json', async () => {
    const { at } = await fleet();
    const { out } = await ccli(['submit', '--json', ...at, 'hello']);
    expect(TaskViewSchema.parse(JSON.parse(out))).toMatchObject({ status: 'queued', prompt_bytes: 5 });
  });
});

describe('ccli task wait', () => {
  test('prints the answer of a task that ends later', async () => {
    const { at, submit } = await fleet();
    const task = await submit();
    const ended = ccli(['task', 'wait', '-q', ...at, task.task_id]);
    task.start();
    task.complete('the answer');
    expect(await ended).toEqual({ code: 0, out: 'the answer', err: '' });
  });

  test('exits 6 when the time is up, and the task goes on', async () => {
    const { at, submit, coordinator } = await fleet();
    const task = await submit();
    const { code, out, err } = await ccli([
      'task',
      'wait',
      '--json',
      '--timeout',
      '50ms',
      ...at,
      task.task_id,
    ]);
    expect(code).toBe(6);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'wait_timeout' } });
    expect(err).toContain(`ccli task wait ${task.task_id}`);
    expect(coordinator.tasks.get(task.task_id)?.status).toBe('queued');
  });

  test('Ctrl-C ends the waiting and leaves the task alone', async () => {
    const { at, submit, coordinator } = await fleet();
    const task = await submit();
    task.start();
    const run = fakeIo();
    const ended = runCli(['task', 'wait', ...at, task.task_id], run.io);
    await waitFor(() => run.err().includes('running on'));
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.err()).toContain(`Stopped watching; the task ${task.task_id} goes on`);
    expect(coordinator.asked).not.toContain('cancel');
  });

  test.each(['wait', 'tail'])('SIGTERM ends task %s without an error', async command => {
    const { at, submit } = await fleet();
    const task = await submit();
    task.start();
    const run = fakeIo();
    const ended = runCli(['task', command, ...at, task.task_id], run.io);
    await waitFor(() => run.err().includes('running on'));
    run.interrupt('SIGTERM');
    expect(await ended).toBe(130);
    expect(run.err()).not.toContain('error');
  });

  test('outlasts a coordinator that is away for a moment', async () => {
    let away = 2;
    const { at, submit } = await fleet({
      wrap: ({ get }) => ({
        get: (request, context) => {
          away -= 1;
          if (away >= 0) throw new CcliError('store_unavailable');
          return get(request, context);
        },
      }),
    });
    const task = await submit();
    task.start();
    task.complete('still here');
    expect(await ccli(['task', 'wait', '-q', ...at, task.task_id])).toMatchObject({
      code: 0,
      out: 'still here',
    });
  });

  test('an unknown task exits 3', async () => {
    const { at } = await fleet();
    const { code, err } = await ccli(['task', 'wait', ...at, 'nosuchtask']);
    expect(code).toBe(3);
    expect(err).toContain('error task_unknown: No task has this id; list the tasks to see those there are.');
  });
});

test('ccli task wait says on stderr who stood in for the first choice', async () => {
  const fallback = { position: 1, why: 'cli_gemini is lost' };
  const { at, submit } = await fleet({
    wrap: ({ get }) => ({
      get: async (request, context) => ({ ...(await get(request, context)), fallback }),
    }),
  });
  const task = await submit();
  task.start();
  task.complete('x');
  const { out, err } = await ccli(['task', 'wait', ...at, task.task_id]);
  expect(out).toBe('x');
  expect(err).toContain('answered by walnut-gemini as a fallback: cli_gemini is lost\n');
});

describe('ccli task tail', () => {
  test('prints what was said before it came, then the rest as it comes', async () => {
    const { at, submit } = await fleet({ keepOutput: true });
    const task = await submit();
    task.start();
    task.chunk(1, 0, 'early ');
    task.chunk(1, 1, 'words ');
    const run = fakeIo();
    const ended = runCli(['task', 'tail', '-q', ...at, task.task_id], run.io);
    await waitFor(() => run.out() === 'early words ');
    task.chunk(1, 2, 'and late ones');
    await waitFor(() => run.out() === 'early words and late ones');
    task.complete('early words and late ones!');
    expect(await ended).toBe(0);
    expect(run.out()).toBe('early words and late ones!');
  });

  test('prints the whole answer of a finished task whose chunks are gone', async () => {
    const { at, submit } = await fleet();
    const task = await submit();
    task.start();
    task.complete('all of it');
    expect(await ccli(['task', 'tail', '-q', ...at, task.task_id])).toEqual({
      code: 0,
      out: 'all of it',
      err: '',
    });
  });

  test('prints all that a failed task had said', async () => {
    const { at, submit } = await fleet({ keepOutput: true });
    const task = await submit();
    task.start();
    for (let n = 0; n < 500; n += 1) task.chunk(1, n, `${n}\n`);
    task.fail(toErrorBody(new CcliError('cli_crashed')));
    const { code, out, err } = await ccli(['task', 'tail', '-q', ...at, task.task_id]);
    expect(code).toBe(1);
    expect(out).toBe(Array.from({ length: 500 }, (_, n) => `${n}\n`).join(''));
    expect(err).toContain('error cli_crashed');
  });

  test('stops following when its reader has gone', async () => {
    const { at, submit, coordinator } = await fleet({ keepOutput: true });
    const task = await submit();
    task.start();
    const head = spawn('head', ['-n', '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const read: Buffer[] = [];
    head.stdout.on('data', (part: Buffer) => read.push(part));
    const ended = ccli(['task', 'tail', '-q', ...at, task.task_id], { stdout: head.stdin });
    let n = 0;
    const talk = setInterval(() => {
      task.chunk(1, n, `line ${n}\n`);
      n += 1;
    }, 5);
    onTestFinished(() => {
      clearInterval(talk);
    });
    const closed = once(head, 'close');
    const { code, err } = await ended;
    await closed;
    expect({ code, err, read: Buffer.concat(read).toString() }).toEqual({
      code: 0,
      err: '',
      read: 'line 0\n',
    });
    expect(coordinator.tasks.get(task.task_id)?.status).toBe('running');
  });

  test('prints a line of JSON for each piece and one for the end', async () => {
    const { at, submit } = await fleet({ keepOutput: true });
    const task = await submit();
    task.start();
    task.chunk(1, 0, 'wrong');
    task.start(2);
    task.chunk(2, 0, 'ri');
    task.chunk(2, 1, 'ght');
    task.complete('right');
    const { out } = await ccli(['task', 'tail', '--json', ...at, task.task_id]);
    const lines = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      { event: 'text', attempt: 1, text: 'wrong' },
      { event: 'restart', attempt: 2 },
      { event: 'text', attempt: 2, text: 'ri' },
      { event: 'text', attempt: 2, text: 'ght' },
      { event: 'end', task: expect.objectContaining({ status: 'completed', response: 'right' }) as unknown },
    ]);
  });
});

describe('ccli task cancel', () => {
  test('says what became of the task', async () => {
    const { at, submit } = await fleet();
    const first = await submit();
    const second = await submit();
    second.start();
    second.complete('done');
    expect(await ccli(['task', 'cancel', ...at, first.task_id])).toEqual({
      code: 0,
      out: `cancelled ${first.task_id}\n`,
      err: '',
    });
    expect((await ccli(['task', 'cancel', ...at, second.task_id])).out).toBe(
      `${second.task_id} had already completed\n`,
    );
  });
});

describe('ccli task retry', () => {
  const retrying = (asked: OperationRequest<'retry'>[], failures: CcliError[] = []) =>
    fleet({
      wrap: ({ submit }) => ({
        retry: async (request, context) => {
          asked.push(request);
          const failure = failures.shift();
          if (failure !== undefined) throw failure;
          const { task_id, new_task_id } = request;
          return await submit(
            { prompt: 'hello', retry_of: task_id, ...(new_task_id && { task_id: new_task_id }) },
            context,
          );
        },
      }),
    });

  test('prints the id of the new task and nothing else', async () => {
    const asked: OperationRequest<'retry'>[] = [];
    const { at, submit } = await retrying(asked);
    const { task_id } = await submit();
    const { code, out, err } = await ccli(['task', 'retry', ...at, task_id]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(asked).toEqual([{ task_id, new_task_id: out.trim() }]);
    const shown = await ccli(['task', 'show', ...at, out.trim()]);
    expect(shown.out).toMatch(new RegExp(`^retry of +${task_id}$`, 'm'));
    const json = await ccli(['task', 'retry', '--json', ...at, task_id]);
    expect(TaskViewSchema.parse(JSON.parse(json.out)).options.retry_of).toBe(task_id);
  });

  test('says so when the task has not ended', async () => {
    const { at } = await retrying([], [new CcliError('task_not_finished')]);
    const { code, out, err } = await ccli(['task', 'retry', ...at, 'abc']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('error task_not_finished');
  });
});

describe('ccli task list', () => {
  test('lists the newest first, aligned, page after page', async () => {
    const { at, submit } = await fleet({
      wrap: ({ list }) => ({
        list: (request, context) => list({ ...request, limit: Math.min(request.limit ?? 2, 2) }, context),
      }),
    });
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift((await submit()).task_id);
    const { out, err } = await ccli(['task', 'list', '--limit', '5', ...at]);
    const rows = out.trimEnd().split('\n');
    expect(rows[0]).toMatch(/^TASK {19}STATUS {3}AGENT/);
    expect(rows.slice(1).map(row => row.split(/\s+/)[0])).toEqual(ids);
    expect(err).toBe('');
    const some = await ccli(['task', 'list', '--limit', '3', ...at]);
    expect(some.out.trimEnd().split('\n')).toHaveLength(4);
    expect(some.err).toContain('there are more');
  });

  test('filters by status and prints JSON', async () => {
    const { at, submit } = await fleet();
    const task = await submit();
    await submit();
    task.start();
    const { out } = await ccli(['task', 'list', '--status', 'running', '--json', ...at]);
    const { tasks } = ListReplySchema.parse(JSON.parse(out));
    expect(tasks.map(({ task_id }) => task_id)).toEqual([task.task_id]);
  });

  test('asks for the tasks of one coordination', async () => {
    const asked: unknown[] = [];
    const { at } = await fleet({
      wrap: () => ({
        list: request => {
          asked.push(request);
          return Promise.resolve({ tasks: [] });
        },
      }),
    });
    expect((await ccli(['task', 'list', '--group', 'c1', '--limit', '5', ...at])).code).toBe(0);
    expect(asked).toEqual([{ limit: 5, group: 'c1' }]);
  });

  test('asks for what its flags name', async () => {
    const asked: unknown[] = [];
    const { at } = await fleet({
      wrap: () => ({
        list: request => {
          asked.push(request);
          return Promise.resolve({ tasks: [] });
        },
      }),
    });
    const flags = [
      '--agent',
      'one',
      '--node',
      'walnut',
      '--caller',
      'ann',
      '--session',
      's',
      '--retry-of',
      't',
    ];
    expect((await ccli(['task', 'list', '--status', 'failed', 'cancelled', ...flags, ...at])).code).toBe(0);
    expect(asked).toEqual([
      {
        limit: 20,
        status: ['failed', 'cancelled'],
        agent_id: 'one',
        node: 'walnut',
        caller: 'ann',
        session_id: 's',
        retry_of: 't',
      },
    ]);
    expect((await ccli(['task', 'list', '--status', 'done', ...at])).code).toBe(2);
  });

  test('an empty list prints nothing on stdout', async () => {
    const { at } = await fleet();
    expect(await ccli(['task', 'list', ...at])).toEqual({ code: 0, out: '', err: 'no tasks\n' });
  });
});

describe('ccli task show', () => {
  test('tells attempts, reason and timings', async () => {
    const { at, submit } = await fleet();
    const task = await submit('12345');
    task.start();
    task.complete('x'.repeat(2048));
    const { out } = await ccli(['task', 'show', ...at, task.task_id]);
    expect(out).toContain(`task      ${task.task_id}\n`);
    expect(out).toContain('status    completed\n');
    expect(out).toContain('prompt    5 B\n');
    expect(out).toContain('answer    2 KiB (ccli task wait');
    expect(out).toContain('ran for   1.2 s\n');
    expect(out).toMatch(/\n1 {9}walnut-gemini {3}walnut {3}completed {3}it is free\n$/);
    expect(out).not.toMatch(/[ \t]\n/);
  });

  test('prints the task with --json', async () => {
    const { at, submit } = await fleet();
    const task = await submit();
    task.fail(toErrorBody(new CcliError('slots_taken')));
    const { code, out } = await ccli(['task', 'show', '--json', ...at, task.task_id]);
    expect(code).toBe(0);
    expect(TaskViewSchema.parse(JSON.parse(out))).toMatchObject({
      status: 'failed',
      error: { code: 'slots_taken' },
    });
  });
});

describe('ccli task show --why', () => {
  const considered = [
    { agent_id: 'walnut-gemini', node: 'walnut', verdict: 'chosen', why: 'priority 10' },
    { agent_id: 'ash-llama3', node: 'walnut', verdict: 'eligible', why: 'priority 0' },
    {
      agent_id: 'oak-qwen',
      node: 'oak',
      verdict: 'waiting',
      why: 'all 2 slots are taken',
      code: 'slots_taken',
    },
    { agent_id: 'elm-codex', node: 'elm', verdict: 'excluded', why: 'disabled', code: 'agent_disabled' },
  ] as const;

  test('shows each agent with the reason it was or was not chosen', async () => {
    const { at } = await fleet({
      wrap: () => ({
        explain: ({ task_id }) =>
          Promise.resolve({ task_id, attempt: 2, considered: [...considered], left_out: 7 }),
      }),
    });
    expect(await ccli(['task', 'show', '--why', ...at, 'abc'])).toEqual({
      code: 0,
      out: `attempt 2 of abc:
AGENT           NODE     VERDICT    WHY
walnut-gemini   walnut   chosen     priority 10
ash-llama3      walnut   eligible   priority 0
oak-qwen        oak      waiting    all 2 slots are taken
elm-codex       elm      excluded   disabled
and 7 more, which stand behind these and are not listed
`,
      err: '',
    });
  });

  test('asks for the attempt that is named, and says when its record has expired', async () => {
    const { at } = await fleet({
      wrap: () => ({
        explain: ({ task_id, attempt = 0 }) =>
          Promise.resolve({
            task_id,
            attempt,
            considered: considered.slice(0, 1),
            left_out: 0,
            expired: true,
          }),
      }),
    });
    const { out } = await ccli(['task', 'show', '--attempt', '3', ...at, 'abc']);
    expect(out).toMatch(/^attempt 3 of abc:\nThe record of that choice is no longer kept; /);
    const json = (await ccli(['task', 'show', '--json', '--attempt', '3', ...at, 'abc'])).out;
    expect(JSON.parse(json)).toMatchObject({ task_id: 'abc', attempt: 3, expired: true });
  });

  test('of a task that waits shows how each agent stands, or that there is none', async () => {
    let waiting = [considered[2]];
    const { at } = await fleet({
      wrap: () => ({
        explain: ({ task_id }) => Promise.resolve({ task_id, considered: waiting, left_out: 0 }),
      }),
    });
    expect((await ccli(['task', 'show', '--why', ...at, 'abc'])).out).toMatch(
      /^abc waits for an agent; how each one stands now:\nAGENT .*\noak-qwen +oak +waiting /,
    );
    waiting = [];
    expect((await ccli(['task', 'show', '--why', ...at, 'abc'])).out).toBe(
      'No agent was considered for abc.\n',
    );
  });
});

test('agents and nodes of an empty fleet print nothing on stdout and say so', async () => {
  const { at } = await fleet();
  for (const command of ['agents', 'nodes']) {
    const { code, out, err } = await ccli([command, ...at]);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(err).toMatch(/^No (agent|node) has joined this fleet; start one with `ccli node-agent`\.\n$/);
  }
});
