import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import type { Operations } from '../../../coordinator/operations.ts';
import { type CoordinateReply, CoordinateReplySchema, type Part } from '../../../protocol/coordination.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { OperationRequest } from '../../../protocol/operation.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from './support/fake-io.ts';
import { startScriptedCoordinator } from './support/scripted-coordinator.ts';

let nats: TestNats;
let fleets = 0;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});

type Asked = OperationRequest<'coordinate'>;

const part = (agent_id: string, over: Partial<Part> = {}): Part => ({
  task_id: `task-${agent_id}`,
  role: 'answer',
  agent_id,
  node: 'walnut',
  agent_type: 'ollama',
  specialty: 'tester',
  task_type: 'testing',
  why: 'the requirements speak of test',
  status: 'completed',
  response: `by ${agent_id}`,
  completeness: 'whole',
  execution_time_ms: 1_234,
  ...over,
});

const replyOf = (over: Partial<CoordinateReply> = {}): CoordinateReply => ({
  coordination_id: 'c1',
  strategy: 'all',
  status: 'completed',
  parts: [part('a'), part('b', { agent_type: 'cli_gemini' })],
  notes: [],
  took_ms: 5,
  ...over,
});

const planned = (reply: CoordinateReply, id: string): CoordinateReply => ({
  coordination_id: id,
  strategy: reply.strategy,
  status: 'planned',
  parts: reply.parts.map(({ response: _r, error: _e, execution_time_ms: _t, ...rest }) => ({
    ...rest,
    status: 'planned',
  })),
  notes: [],
  took_ms: 1,
});

/** A fleet whose coordination ends as a test says. */
async function fleetThat(
  answer: CoordinateReply | ((request: Asked, real: Operations, turn: number) => Promise<CoordinateReply>),
  over: (real: Operations) => Partial<Operations> = () => ({}),
): Promise<{ at: string[]; asked: Asked[]; ran: () => Asked[] }> {
  fleets += 1;
  const prefix = `coord${fleets}`;
  const asked: Asked[] = [];
  const coordinator = await startScriptedCoordinator({
    url: nats.url,
    prefix,
    script: () => undefined,
    wrap: real => ({
      coordinate: async request => {
        asked.push(request);
        if (request.plan_only === true)
          return planned(
            typeof answer === 'function' ? replyOf() : answer,
            request.coordination_id ?? 'none',
          );
        if (typeof answer !== 'function') return answer;
        return await answer(request, real, asked.filter(({ plan_only }) => plan_only !== true).length);
      },
      ...over(real),
    }),
  });
  onTestFinished(() => coordinator.stop());
  return {
    at: ['--nats', nats.url, '--prefix', prefix],
    asked,
    ran: () => asked.filter(({ plan_only }) => plan_only !== true),
  };
}

describe('ccli coordinate', () => {
  test('prints each answer under a heading of its own, and nothing else on stdout', async () => {
    const { at } = await fleetThat(replyOf());
    const { code, out, err } = await ccli(['coordinate', ...at, 'test it']);
    expect({ code, out }).toEqual({
      code: 0,
      out: '## a (ollama, testing, 1.2 s)\n\nby a\n\n## b (cli_gemini, testing, 1.2 s)\n\nby b\n',
    });
    const lines = err.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^coordination [a-z2-7]{20}, within 10 min$/);
    expect(lines[1]).toMatch(/^AGENT +NODE +TYPE +SPECIALTY +TASK +WHY$/);
    expect(lines[2]).toMatch(/^a +walnut +ollama +tester +testing +the requirements speak of test$/);
    expect(lines.at(-1)).toMatch(/^done in /);
  });

  test('passes every option on', async () => {
    const { at, ran } = await fleetThat(replyOf());
    const options = '--agents a,b,,c --strategy best --max-agents 2 --budget 5m --id my-own --quiet'.split(
      ' ',
    );
    expect(await ccli(['coordinate', ...at, ...options, 'test it'])).toMatchObject({ code: 0, err: '' });
    expect(ran()).toEqual([
      {
        coordination_id: 'my-own',
        prompt: 'test it',
        strategy: 'best',
        agents: ['a', 'b', 'c'],
        max_agents: 2,
        budget_ms: 300_000,
      },
    ]);
  });

  test('reads the requirements from stdin, and behind an argument', async () => {
    const { at, ran } = await fleetThat(replyOf());
    await ccli(['coordinate', ...at, '-'], { stdin: 'from stdin' });
    await ccli(['coordinate', ...at, 'do this:', '-'], { stdin: 'from stdin' });
    expect(ran().map(({ prompt }) => prompt)).toEqual(['from stdin', 'do this:\n\nfrom stdin']);
  });

  test('prints the one answer alone, and who gave it on stderr', async () => {
    const { at } = await fleetThat(
      replyOf({
        strategy: 'best',
        answer: 'by b',
        answered_by: 'b',
        answer_task_id: 'task-b',
        reason: 'it is right',
      }),
    );
    const { code, out, err } = await ccli(['coordinate', ...at, '--strategy', 'best', 'x']);
    expect({ code, out }).toEqual({ code: 0, out: 'by b' });
    expect(err).toContain('answered by b (cli_gemini, testing, 1.2 s): it is right\n');
  });

  test('a partial failure is a warning, and the exit code is 0', async () => {
    const failed = part('b', {
      status: 'failed',
      response: 'half',
      error: { code: 'reply_truncated', message: 'It broke off.', retryable: true },
    });
    const { at } = await fleetThat(
      replyOf({
        status: 'partial',
        parts: [part('a'), failed],
        notes: ['b (tester) gave no answer (reply_truncated): It broke off.'],
      }),
    );
    const { code, out, err } = await ccli(['coordinate', ...at, '--quiet', 'x']);
    expect(code).toBe(0);
    expect(out).toContain('## b (ollama, testing, 1.2 s, failed, in part)\n\nhalf\n');
    expect(err).toBe('warning b (tester) gave no answer (reply_truncated): It broke off.\n');
  });

  test('ends with 1 when every agent has failed, and tells what each did', async () => {
    const failed = (id: string): Part => {
      const { response: _response, ...rest } = part(id, {
        status: 'failed',
        error: { code: 'cli_crashed', message: 'x', retryable: true },
      });
      return rest;
    };
    const { at } = await fleetThat(
      replyOf({
        status: 'failed',
        parts: [failed('a'), failed('b')],
        notes: ['a gave no answer', 'b gave no answer'],
        error: {
          code: 'all_parts_failed',
          message: 'All 2 agents asked have given no answer.',
          retryable: false,
        },
      }),
    );
    const { code, out, err } = await ccli(['coordinate', ...at, '--quiet', 'x']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe(
      'warning a gave no answer\nwarning b gave no answer\nerror all_parts_failed: All 2 agents asked have given no answer.\n',
    );
  });

  test('prints one JSON document with --json, with every answer whole', async () => {
    const { at } = await fleetThat(
      async (request, real) => {
        const context = { caller: 'local', signal: new AbortController().signal };
        await real.submit({ task_id: 'task-b', prompt: 'x' }, context);
        const cut = part('b', { response: 'by', response_cut: true });
        return replyOf({
          coordination_id: request.coordination_id ?? '',
          strategy: 'best',
          parts: [part('a'), cut],
          answer: 'by',
          answer_cut: true,
          answered_by: 'b',
          answer_task_id: 'task-b',
        });
      },
      real => ({
        get: async (request, context) => ({
          ...(await real.get(request, context)),
          status: 'completed',
          response: 'by b in full',
        }),
      }),
    );
    const { code, out } = await ccli(['coordinate', ...at, '--json', 'x']);
    expect(code).toBe(0);
    const reply = CoordinateReplySchema.parse(JSON.parse(out));
    expect(reply.answer).toBe('by b in full');
    expect(reply.answer_cut).toBeUndefined();
    expect(reply.parts[1]).toMatchObject({ response: 'by b in full' });
    expect(reply.parts[1]).not.toHaveProperty('response_cut');
  });

  test('fetches an answer that is too long for the reply, and prints its beginning when that fails', async () => {
    const { at } = await fleetThat(replyOf({ parts: [part('a', { response_cut: true })] }));
    const { code, out, err } = await ccli(['coordinate', ...at, '--quiet', 'x']);
    expect(code).toBe(0);
    expect(out).toContain('by a\n');
    expect(err).toContain('warning Only the beginning of an answer could be fetched (task_unknown');
  });

  test('shows the plan and asks nobody with --plan', async () => {
    const { at, ran } = await fleetThat(replyOf());
    const { code, out, err } = await ccli(['coordinate', ...at, '--plan', 'test it']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^AGENT .*\na +walnut .*\nb +walnut .*\n$/);
    const json = await ccli(['coordinate', ...at, '--plan', '--json', 'test it']);
    expect(JSON.parse(json.out)).toMatchObject({
      status: 'planned',
      parts: [{ agent_id: 'a' }, { agent_id: 'b' }],
    });
    expect(ran()).toEqual([]);
  });

  test.each([
    [['--agents', ','], 'At least one agent id is needed'],
    [['--agents', 'A B'], 'Lower-case letters'],
    [['--agents', Array.from({ length: 17 }, (_, index) => `a${index}`).join(',')], '16 agents are the most'],
    [['--max-agents', '17'], 'from 1 to 16'],
    [['--strategy', 'vote'], 'Allowed choices are all, first, best, synthesize'],
    [['--budget', '0s'], 'Write it like'],
    [['--id', 'x'.repeat(33)], 'at most 32'],
  ])('refuses %j before anything is asked', async (options, says) => {
    const { code, err } = await ccli(['coordinate', ...options, 'x']);
    expect(code).toBe(2);
    expect(err).toContain(says);
  });

  test.each([
    ['', 'prompt_empty'],
    ['x'.repeat(1_050_000), 'prompt_too_large'],
  ])('refuses requirements that are empty or too long', async (stdin, error) => {
    const { code, err } = await ccli(['coordinate', '-'], { stdin });
    expect(code).toBe(2);
    expect(err).toContain(error);
  });

  test('what the fleet refuses is told with its code', async () => {
    const { at } = await fleetThat(() =>
      Promise.reject(new CcliError('agent_unknown', 'No agent is called "z".')),
    );
    const { code, err } = await ccli(['coordinate', ...at, '--agents', 'z', 'x']);
    expect(code).toBe(3);
    expect(err).toContain('error agent_unknown: No agent is called "z".');
  });

  test('a terminal gets no control characters from an answer', async () => {
    const { at } = await fleetThat(replyOf({ parts: [part('a', { response: 'a\u001b[2Jb' })] }));
    const { out } = await ccli(['coordinate', ...at, 'x'], { tty: true, environment: { NO_COLOR: '1' } });
    expect(out).toContain('a\u{fffd}[2Jb');
  });
});

describe('while a coordination runs', () => {
  test('each change of a part is a line on stderr', async () => {
    const summary = { caller: 'local', prompt_bytes: 1, created_at_ms: 1, updated_at_ms: 1, attempts: 1 };
    let turn = 0;
    const { at } = await fleetThat(
      async () => {
        await waitFor(() => turn > 2);
        return replyOf();
      },
      () => {
        return {
          list: () => {
            turn += 1;
            const tasks = [
              {
                ...summary,
                task_id: 'task-b',
                agent_id: 'b',
                status: turn > 1 ? ('completed' as const) : ('running' as const),
              },
              { ...summary, task_id: 'task-a', status: 'queued' as const },
            ];
            return Promise.resolve({ tasks });
          },
        };
      },
    );
    const { err } = await ccli(['coordinate', ...at, 'x']);
    expect(err).toContain('a is queued\nb is running\nb has answered\n');
  });

  test('it asks again under the same id when the coordinator gives up, and does not end', async () => {
    const { at, ran } = await fleetThat((_request, _real, turn) =>
      turn === 1
        ? Promise.reject(new CcliError('no_coordinator', 'This one stops.'))
        : Promise.resolve(replyOf()),
    );
    const { code, err } = await ccli(['coordinate', ...at, 'x']);
    expect(code).toBe(0);
    expect(err).toContain('This one stops. Asking again; the tasks go on meanwhile.');
    const [first, second] = ran();
    expect(second).toEqual(first);
  });

  test('Ctrl-C cancels every part that is under way, also one begun later', async () => {
    const context = { caller: 'local', signal: new AbortController().signal };
    let tasks: ReadonlyMap<string, { readonly status: string }> = new Map();
    const { at } = await fleetThat(async (request, real) => {
      const group = request.coordination_id ?? '';
      const begin = async (task_id: string): Promise<void> => {
        await real.submit({ task_id, prompt: 'x', group }, context);
        await waitFor(async () => (await real.get({ task_id }, context)).status === 'cancelled');
      };
      await begin('early');
      await begin('late');
      tasks = new Map([
        ['early', await real.get({ task_id: 'early' }, context)],
        ['late', await real.get({ task_id: 'late' }, context)],
      ]);
      return replyOf({
        status: 'failed',
        parts: [],
        error: { code: 'cancelled', message: 'All were cancelled.', retryable: false },
      });
    });
    const run = fakeIo();
    const ended = runCli(['coordinate', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('is queued'));
    run.interrupt();
    expect(await ended).toBe(130);
    expect([...tasks.values()].map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    expect(run.err()).toContain('cancelling all that is under way; Ctrl-C again leaves at once');
    expect(run.listeners()).toBe(0);
  });

  test('what had been answered before a Ctrl-C is shown, and the exit code tells of it', async () => {
    const { at } = await fleetThat(async (request, real) => {
      const context = { caller: 'local', signal: new AbortController().signal };
      await real.submit({ task_id: 'task-b', prompt: 'x', group: request.coordination_id ?? '' }, context);
      await waitFor(async () => (await real.get({ task_id: 'task-b' }, context)).status === 'cancelled');
      return replyOf({ status: 'partial', parts: [part('a')], notes: ['b was cancelled.'] });
    });
    const run = fakeIo();
    const ended = runCli(['coordinate', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('queued'));
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.out()).toContain('by a');
    expect(run.err()).toContain('error cancelled: Interrupted; what had been answered by then is shown.');
  });

  test('a second Ctrl-C leaves at once', async () => {
    const left = new AbortController();
    const { at } = await fleetThat(async () => {
      await waitFor(() => left.signal.aborted);
      return replyOf();
    });
    const run = fakeIo();
    const ended = runCli(['coordinate', ...at, 'x'], run.io);
    await waitFor(() => run.err().includes('WHY'));
    run.interrupt();
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.err()).toContain('Left at once; the tasks of the coordination');
    left.abort();
  });
});
