import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connectionLost } from '../../../coordinator/cli/link.ts';
import { withWayBack } from '../../../coordinator/cli/outage.ts';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import { CcliError, ERRORS, toErrorBody } from '../../../protocol/errors.ts';
import { TaskViewSchema } from '../../../protocol/operation.ts';
import { startNats, type TestNats, testNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from './support/fake-io.ts';
import {
  type Script,
  type ScriptedCoordinator,
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

/** A fleet of its own on the shared server. */
async function fleet(
  script: Script,
  options: Pick<ScriptedOptions, 'wrap' | 'keepOutput'> = {},
): Promise<{ coordinator: ScriptedCoordinator; at: string[] }> {
  fleets += 1;
  const prefix = `run${fleets}`;
  const coordinator = await startScriptedCoordinator({ url: nats.url, prefix, script, ...options });
  onTestFinished(() => coordinator.stop());
  return { coordinator, at: ['--nats', nats.url, '--prefix', prefix] };
}

const echo: Script = task => {
  task.start();
  task.complete(`you said: ${task.prompt}`);
};

const never: Script = task => {
  task.start();
};

describe('ccli run into a pipe', () => {
  test('prints the final answer only, exactly, and its stages on stderr', async () => {
    const { at } = await fleet(task => {
      task.start();
      task.chunk(1, 0, 'half an ');
      task.chunk(2, 0, 'the answer');
      task.complete('the answer');
    });
    const { code, out, err } = await ccli(['run', ...at, 'hello']);
    expect({ code, out }).toEqual({ code: 0, out: 'the answer' });
    const stages = err.trimEnd().split('\n');
    expect(stages[0]).toMatch(/^submitted [a-z2-7]{20}$/);
    expect(stages[1]).toBe('running on agent walnut-gemini of node walnut');
    expect(stages[2]).toMatch(/^done in [\d.]+ m?s$/);
    expect(stages).toHaveLength(3);
  });

  test('says why a task is still queued', async () => {
    const { at } = await fleet(async task => {
      task.waitFor('all slots of walnut-gemini are taken');
      await new Promise(resolve => setTimeout(resolve, 400));
      task.start();
      task.complete('late');
    });
    const { err } = await ccli(['run', ...at, 'hello']);
    expect(err).toContain('queued: all slots of walnut-gemini are taken\n');
  });

  test('says nothing on stderr with --quiet', async () => {
    const { at } = await fleet(echo);
    expect(await ccli(['run', '--quiet', ...at, 'hi'])).toEqual({ code: 0, out: 'you said: hi', err: '' });
  });

  test('passes every option on under its wire name', async () => {
    const { at, coordinator } = await fleet(echo);
    const options =
      '--agent walnut-gemini --model m --timeout 5m --priority -3 --max-attempts 1 --max-wait 60s';
    const { code } = await ccli([
      'run',
      ...at,
      ...options.split(' '),
      '--type',
      'cli_gemini',
      '--specialty',
      'profiler',
      '--gpu-memory',
      '20GiB',
      '--fallback',
      'cli_gemini -> cli_qwen, ollama',
      '--session',
      'S-1',
      'hi',
    ]);
    expect(code).toBe(0);
    expect(coordinator.submits[0]).toEqual({
      task_id: expect.stringMatching(/^[a-z2-7]{20}$/) as string,
      prompt: 'hi',
      agent_id: 'walnut-gemini',
      agent_type: 'cli_gemini',
      specialty: 'profiler',
      model: 'm',
      timeout_ms: 300_000,
      max_queue_ms: 60_000,
      max_attempts: 1,
      priority: -3,
      min_gpu_memory_bytes: 20 * 1024 ** 3,
      fallback: ['cli_gemini', 'cli_qwen', 'ollama'],
      session_id: 'S-1',
    });
  });

  test.each([
    [['--fallback', 'cli_gemini -> '], 'A member is missing'],
    [['--fallback', 'Gemini'], '"Gemini" is no type or id'],
    [['--fallback', 'a,b,a'], '"a" stands in it twice'],
    [['--fallback', 'a,b,c,d,e,f,g,h,i'], 'At most 8'],
    [['--session', 'a b'], 'A session id has'],
    [['--gpu-memory', '20G'], '20GiB'],
  ])('refuses %j', async (args, says) => {
    const { at, coordinator } = await fleet(echo);
    const { code, err } = await ccli(['run', ...at, ...args, 'hi']);
    expect(code).toBe(2);
    expect(err).toContain(says);
    expect(coordinator.submits).toEqual([]);
  });

  test('says on stderr who stood in for the first choice and why, that SSH was needed, and how long the model took to load', async () => {
    const { at } = await fleet(echo, {
      wrap: ({ get }) => ({
        get: async (request, context) => ({
          ...(await get(request, context)),
          load_ms: 8_100,
          transport: 'ssh',
          fallback: { position: 2, why: 'cli_gemini cools down for 40 s, cli_qwen is lost' },
        }),
      }),
    });
    const { out, err } = await ccli(['run', ...at, 'hi']);
    expect(out).toBe('you said: hi');
    expect(err).toMatch(/^done in [^,]*, 8.1 s of it to load the model$/m);
    expect(err).toMatch(/^walnut was reached over ssh$/m);
    expect(err).toMatch(
      /^answered by walnut-gemini as a fallback: cli_gemini cools down for 40 s, cli_qwen is lost$/m,
    );
  });

  test.each([
    ['-', ['-']],
    ['no argument', []],
  ])('reads the prompt from stdin with %s', async (_, argument) => {
    const { at } = await fleet(echo);
    const { out } = await ccli(['run', ...at, ...argument], { stdin: 'from\nstdin ☃' });
    expect(out).toBe('you said: from\nstdin ☃');
  });

  test('adds stdin to the prompt with "-" behind it', async () => {
    const { at } = await fleet(echo);
    const { out } = await ccli(['run', ...at, 'Explain', '-'], { stdin: 'the text' });
    expect(out).toBe('you said: Explain\n\nthe text');
  });

  test('sends a prompt of 3 MiB in slices and fetches an answer of 3 MiB', async () => {
    const { at, coordinator } = await fleet(task => {
      task.start();
      task.complete(`${task.prompt}!`);
    });
    const prompt = 'ä☃\u{1f600}x'.repeat((3 * 1024 * 1024) / 10);
    const { code, out } = await ccli(['run', '-q', ...at, '-'], { stdin: prompt });
    expect(code).toBe(0);
    expect([...coordinator.prompts.values()][0] === prompt).toBe(true);
    expect(out === `${prompt}!`).toBe(true);
    expect(coordinator.asked.filter(name => name === 'upload')).toHaveLength(12);
  });

  test('submits once more under the same id when no answer came', async () => {
    const { at, coordinator } = await fleet(echo, {
      wrap: ({ submit }) => ({
        submit: async (request, context) => {
          const view = await submit(request, context);
          return coordinator.submits.length === 1 ? await new Promise(() => undefined) : view;
        },
      }),
    });
    const { code, out } = await ccli(['run', '-q', ...at, 'x']);
    expect({ code, out }).toEqual({ code: 0, out: 'you said: x' });
    expect(coordinator.submits).toHaveLength(2);
    expect(coordinator.submits[0]).toEqual(coordinator.submits[1]);
    expect(coordinator.tasks.size).toBe(1);
  });

  test('ends without a word when its reader has gone', async () => {
    const { at } = await fleet(task => {
      task.start();
      task.complete('y\n'.repeat(2_000_000));
    });
    const head = spawn('head', ['-c', '4'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const read: Buffer[] = [];
    head.stdout.on('data', (part: Buffer) => read.push(part));
    const closed = once(head, 'close');
    const { code, err } = await ccli(['run', '-q', ...at, 'go'], { stdout: head.stdin });
    await closed;
    expect({ code, err, read: Buffer.concat(read).toString() }).toEqual({ code: 0, err: '', read: 'y\ny\n' });
  });
});

describe('ccli run on a terminal', () => {
  test('prints the answer as it comes and ends with a newline', async () => {
    let release: () => void = () => undefined;
    const { at } = await fleet(async task => {
      task.start();
      task.chunk(1, 0, 'one ');
      await new Promise<void>(resolve => (release = resolve));
      task.chunk(1, 1, 'two');
      task.complete('one two');
    });
    const run = fakeIo({ tty: true });
    const ended = runCli(['run', '-q', ...at, 'hello'], run.io);
    await waitFor(() => run.out() === 'one ');
    release();
    expect(await ended).toBe(0);
    expect(run.out()).toBe('one two\n');
  });

  test('prints what the chunks left out', async () => {
    const { at } = await fleet(async task => {
      task.start();
      task.chunk(1, 0, 'one ');
      task.complete('one two three\n');
      await Promise.resolve();
    });
    expect((await ccli(['run', '-q', ...at, 'hello'], { tty: true })).out).toBe('one two three\n');
  });

  test('tells of an attempt that starts over', async () => {
    const { at } = await fleet(task => {
      task.start();
      task.chunk(1, 0, 'wrong');
      task.start(2);
      task.chunk(2, 0, 'right');
      task.complete('right');
    });
    const { out, err } = await ccli(['run', ...at, 'hello'], { tty: true, environment: { NO_COLOR: '1' } });
    expect(out).toBe('wrong\nright\n');
    expect(err).toContain('attempt 2 starts the answer over:\n');
  });

  test('prints the whole answer after chunks were lost', async () => {
    const { at } = await fleet(task => {
      task.start();
      for (const n of [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]) task.chunk(1, n, `${n} `);
      task.complete('0 1 2 3 4 5 6 7 8 9 10');
    });
    const { out, err } = await ccli(['run', ...at, 'hello'], { tty: true });
    expect(out).toBe('0 \n2 3 4 5 6 7 8 9 10 \n0 1 2 3 4 5 6 7 8 9 10\n');
    expect(err).toContain('a part of the answer was lost');
    expect(err).toContain('the whole answer:');
  });

  test('lets no answer steer the terminal', async () => {
    const { at } = await fleet(task => {
      task.start();
      task.complete('a\u001b]0;title\u0007b');
    });
    expect((await ccli(['run', '-q', ...at, 'x'], { tty: true })).out).toBe('a\ufffd]0;title\ufffdb\n');
  });
});

describe('a task that does not complete', () => {
  test.each(['task_timeout', 'cli_missing', 'rate_limited', 'slots_taken', 'cli_crashed'] as const)(
    '%s is told with its sentence, cause and task, and sets the exit code',
    async code => {
      const error = toErrorBody(new CcliError(code, 'It did not work.', { cause: new Error('the reason') }));
      const { at, coordinator } = await fleet(task => {
        task.start();
        task.fail(error);
      });
      const ended = await ccli(['run', '-q', ...at, 'x']);
      const [task_id] = [...coordinator.tasks.keys()];
      expect(ended).toEqual({
        code: ERRORS[code].exit,
        out: '',
        err: `error ${code}: It did not work.\n  cause: the reason\n  task: ${String(task_id)} (ccli task show ${String(task_id)})\n`,
      });
    },
  );

  test('prints what came before output_too_large', async () => {
    const { at } = await fleet(task => {
      task.start();
      task.fail(toErrorBody(new CcliError('output_too_large')), 'the first part');
    });
    const { code, out, err } = await ccli(['run', '-q', ...at, 'x']);
    expect({ code, out }).toEqual({ code: 1, out: 'the first part' });
    expect(err).toContain('error output_too_large: ');
  });

  test('is one JSON document with its error in it', async () => {
    const { at } = await fleet(task => {
      task.start();
      task.fail(toErrorBody(new CcliError('empty_reply')));
    });
    const { code, out, err } = await ccli(['run', '--json', '-q', ...at, 'x']);
    expect(code).toBe(1);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    const view = TaskViewSchema.parse(JSON.parse(out));
    expect(view).toMatchObject({ status: 'failed', error: { code: 'empty_reply' } });
    expect(err).toContain('error empty_reply: ');
  });
});

describe('--json', () => {
  test('has the whole answer in it however long it is', async () => {
    const answer = 'z'.repeat(600_000);
    const { at } = await fleet(task => {
      task.start();
      task.complete(answer);
    });
    const { out } = await ccli(['run', '--json', ...at, 'x'], { tty: false });
    const view = TaskViewSchema.parse(JSON.parse(out));
    expect(view.response === answer).toBe(true);
    expect(view.response_ref).toBeUndefined();
  });

  test('tells an error of the fleet on stdout as JSON and on stderr as a sentence', async () => {
    const { code, out, err } = await ccli(['run', '--json', '--nats', nats.url, '--prefix', 'nobody', 'x']);
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'no_coordinator' } });
    expect(err).toMatch(
      /^error no_coordinator: No coordinator answers at nats:\/\/127\.0\.0\.1:\d+ under the prefix "nobody"/,
    );
  });
});

describe('Ctrl-C during ccli run', () => {
  test('cancels the task, says so and exits 130', async () => {
    const { at, coordinator } = await fleet(never);
    const run = fakeIo();
    const ended = runCli(['run', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('running on'));
    run.interrupt();
    expect(await ended).toBe(130);
    const [view] = [...coordinator.tasks.values()];
    expect(view?.status).toBe('cancelled');
    expect(run.err()).toContain(`cancelling ${String(view?.task_id)}`);
    expect(run.err()).toContain('error cancelled: The task was cancelled;');
    expect(run.listeners()).toBe(0);
  });

  test('a second one leaves at once', async () => {
    const { at } = await fleet(never, {
      wrap: () => ({ cancel: () => new Promise(() => undefined) }),
    });
    const run = fakeIo();
    const ended = runCli(['run', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('running on'));
    run.interrupt();
    await waitFor(() => run.err().includes('cancelling'));
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.err()).toContain('error cancelled: Left at once');
  });

  test('still prints the answer of a task that was quicker', async () => {
    let finish: () => void = () => undefined;
    const { at } = await fleet(
      task => {
        task.start();
        finish = () => {
          task.complete('just in time');
        };
      },
      {
        wrap: ({ cancel }) => ({
          cancel: (request, context) => {
            finish();
            return cancel(request, context);
          },
        }),
      },
    );
    const run = fakeIo();
    const ended = runCli(['run', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('running on'));
    run.interrupt();
    expect(await ended).toBe(0);
    expect(run.out()).toBe('just in time');
  });

  test('during the upload submits nothing', async () => {
    let uploading = false;
    const { at, coordinator } = await fleet(echo, {
      wrap: () => ({
        upload: () => {
          uploading = true;
          return new Promise(() => undefined);
        },
      }),
    });
    const run = fakeIo({ stdin: 'x'.repeat(1_000_000) });
    const ended = runCli(['run', ...at, '-'], run.io);
    await waitFor(() => uploading);
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.err()).toContain('nothing was submitted');
    expect(coordinator.tasks.size).toBe(0);
  });
});

describe('NATS that goes away under a waiting ccli', () => {
  /** A server and a fleet of its own, with one task that waits. */
  async function lonelyFleet() {
    const own = await testNats();
    const finish: { task?: ScriptedTask } = {};
    const coordinator = await startScriptedCoordinator({
      url: own.url,
      script: task => {
        task.start();
        finish.task = task;
      },
    });
    onTestFinished(() => coordinator.stop());
    return { own, at: ['--nats', own.url], finish };
  }

  test('is waited for, and the answer comes all the same', async () => {
    const { own, at, finish } = await lonelyFleet();
    const run = fakeIo();
    const ended = runCli(['run', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('running on'));
    await own.kill();
    await waitFor(() => run.err().includes('was lost. Trying again;'));
    await own.restart();
    finish.task?.complete('after all');
    expect(await ended).toBe(0);
    expect(run.out()).toBe('after all');
  });

  test('and leaves a Ctrl-C with a task that could not be cancelled', async () => {
    const { own, at } = await lonelyFleet();
    const run = fakeIo();
    const ended = runCli(['run', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('running on'));
    await own.kill();
    await waitFor(() => run.err().includes('Trying again;'));
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.err()).toContain('could not be cancelled (nats_unreachable');
  });

  test('is nats_unreachable with the way back to the task', () => {
    const lost = connectionLost('nats://me:secret@host:4222');
    expect(withWayBack(lost, 'abc')).toMatchObject({
      code: 'nats_unreachable',
      message:
        'The connection to NATS at nats://host:4222 was lost. The task may go on: `ccli task wait abc`.',
    });
  });
});

describe('a prompt that cannot be sent', () => {
  test.each([
    ['prompt_empty', ['run', '']],
    ['prompt_empty', ['run', ' \n']],
    ['prompt_has_nul', ['submit', 'a\0b']],
    ['invalid_request', ['run', '--bogus', 'x']],
    ['invalid_request', ['run', '--timeout', 'soon', 'x']],
    ['invalid_request', ['run', '--type', 'cli_nothing', 'x']],
    ['invalid_request', ['run', 'two', 'words']],
    ['invalid_request', ['run', '-', '-']],
    ['prompt_empty', ['run', 'nothing behind it', '-']],
    ['invalid_request', ['run', '--nats', '', 'x']],
    ['invalid_request', ['run', '--nats', 'foo bar', 'x']],
    ['invalid_request', ['rum']],
  ])('is %s: %j, before anything is reached', async (error, argv) => {
    const { code, out, err } = await ccli([...argv, '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ error: { code: error } });
    expect(err).toMatch(new RegExp(`^error ${error}: `));
  });

  test('bytes that are no UTF-8 are refused', async () => {
    const { code, err } = await ccli(['run'], { stdin: Uint8Array.of(0x61, 0xff, 0x62) });
    expect(code).toBe(2);
    expect(err).toContain('not valid UTF-8');
  });

  test('nothing on a terminal is refused instead of waited for', async () => {
    const { code, err } = await ccli(['run'], { stdinTty: true });
    expect(code).toBe(2);
    expect(err).toContain('error prompt_empty: No prompt was given');
  });

  test('a mistyped option or command is met with the nearest one', async () => {
    expect((await ccli(['run', '--agnet', 'x'])).err).toContain('did you mean --agent?');
    expect((await ccli(['stauts'])).err).toContain('did you mean status?');
  });
});
