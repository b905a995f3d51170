import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { encode } from '../../protocol/codec.ts';
import {
  type CoordinateReply,
  CoordinateRequestSchema,
  PART_TEXT_CHARS,
} from '../../protocol/coordination.ts';
import type { OperationRequest } from '../../protocol/operation.ts';
import { type TestFleet, testCoordinator } from '../support/fleet.ts';
import { mixedFleet, requirements } from '../support/part-agents.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const ASKED = ['walnut-kernel', 'walnut-tester', 'walnut-general'];

type Request = Omit<OperationRequest<'coordinate'>, 'prompt'>;

const ask = (
  fleet: TestFleet,
  does: Record<string, unknown>,
  request: Request = {},
): Promise<CoordinateReply> =>
  fleet.call('coordinate', { agents: ASKED, ...request, prompt: requirements(does) });

const groupOf = async (fleet: TestFleet, group: string) => (await fleet.call('list', { group })).tasks;

describe('a coordination', () => {
  test('chooses agents of different types and specialties, and gives each its own prompt', async () => {
    const fleet = await mixedFleet();
    const reply = await fleet.call('coordinate', {
      prompt: requirements({ 'walnut-kernel': { echo: true } }),
    });
    expect(reply).toMatchObject({ status: 'completed', notes: [] });
    expect(
      reply.parts.map(({ agent_id, agent_type, task_type }) => [agent_id, agent_type, task_type]),
    ).toEqual([
      ['walnut-kernel', 'cli_codex', 'implementation'],
      ['walnut-tester', 'cli_opencode', 'testing'],
      ['walnut-general', 'cli_generic', 'general'],
    ]);
    expect(reply.parts[0]?.response).toContain('You write compute kernels');
    expect(reply.parts[0]?.response).toContain('<requirements seal="1">\nWrite a CUDA kernel and its tests.');
    expect(await groupOf(fleet, reply.coordination_id)).toHaveLength(3);
  });

  test('with `first` ends with the first success and stops the others on their node', async () => {
    const fleet = await mixedFleet();
    const hang = { hang: true };
    const reply = await ask(fleet, { 'walnut-kernel': hang, 'walnut-general': hang }, { strategy: 'first' });
    expect(reply).toMatchObject({
      status: 'completed',
      answer: 'answer of walnut-tester',
      answered_by: 'walnut-tester',
      parts: [{ status: 'cancelled' }, { status: 'completed' }, { status: 'cancelled' }],
    });
    await waitFor(async () => (await fleet.call('agents', {})).agents.every(({ running }) => running === 0));
  });

  test('with `best` gives the answer that a reasoning agent picked', async () => {
    const fleet = await mixedFleet();
    const reply = await ask(
      fleet,
      { judge: { say: 'BEST: 2\nREASON: it tests what it says' } },
      { strategy: 'best' },
    );
    expect(reply).toMatchObject({
      status: 'completed',
      answer: 'answer of walnut-tester',
      answered_by: 'walnut-tester',
      reason: 'it tests what it says',
    });
    expect(reply.parts[3]).toMatchObject({
      role: 'judge',
      agent_id: 'walnut-thinker',
      specialty: 'reasoning',
    });
  });

  test('with `synthesize` gives what one agent made of all answers', async () => {
    const fleet = await mixedFleet();
    const reply = await ask(fleet, { judge: { echo: true } }, { strategy: 'synthesize' });
    expect(reply).toMatchObject({ status: 'completed', answered_by: 'walnut-thinker' });
    for (const id of ASKED) expect(reply.answer).toContain(`\nanswer of ${id}\n`);
  });

  test('tells of an agent that failed, and of a judge that did', async () => {
    const fleet = await mixedFleet();
    const broken = { exit: 3, stderr: 'out of luck' };
    const reply = await ask(
      fleet,
      { 'walnut-kernel': broken, judge: { say: 'no idea' } },
      { strategy: 'best', budget_ms: 60_000 },
    );
    expect(reply).toMatchObject({
      status: 'partial',
      answer: 'answer of walnut-tester',
      parts: [
        { status: 'failed', error: { message: expect.any(String) as string } },
        {},
        {},
        { status: 'completed' },
      ],
    });
    expect(reply.notes).toEqual([
      expect.stringContaining('walnut-kernel (kernel_dev) gave no answer'),
      expect.stringContaining('walnut-thinker named no answer'),
      expect.stringContaining('walnut-tester'),
    ]);
  });

  test('fails when every agent has, with the error of each', async () => {
    const fleet = await mixedFleet();
    const broken = { exit: 3 };
    const reply = await ask(fleet, Object.fromEntries(ASKED.map(id => [id, broken])));
    expect(reply).toMatchObject({ status: 'failed', error: { code: 'all_parts_failed' } });
    expect(reply.parts.map(({ status, error }) => status === 'failed' && error !== undefined)).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('keeps each part on its agent, whatever fallback chains the fleet has', async () => {
    const fleet = await mixedFleet({ fallback: { 'walnut-kernel': ['walnut-general'] } });
    const reply = await ask(
      fleet,
      { 'walnut-kernel': { exit: 3 } },
      { agents: ['walnut-kernel', 'walnut-tester'] },
    );
    expect(reply).toMatchObject({
      status: 'partial',
      parts: [{ status: 'failed' }, { status: 'completed' }],
    });
    const task = await fleet.call('get', { task_id: reply.parts[0]?.task_id ?? '' });
    expect(new Set(task.attempts.map(({ agent_id }) => agent_id))).toEqual(new Set(['walnut-kernel']));
  });

  test('gives what is there when the budget is over, and leaves nothing running', async () => {
    const fleet = await mixedFleet();
    const reply = await ask(fleet, { 'walnut-kernel': { hang: true } }, { budget_ms: 12_000 });
    expect(reply).toMatchObject({
      status: 'partial',
      parts: [{ error: { code: 'deadline_passed' } }, { status: 'completed' }, { status: 'completed' }],
    });
    await waitFor(async () => (await fleet.call('agents', {})).agents.every(({ running }) => running === 0));
  });

  test('with a budget of a millisecond says so of every part', async () => {
    const fleet = await mixedFleet();
    const reply = await ask(fleet, Object.fromEntries(ASKED.map(id => [id, { hang: true }])), {
      budget_ms: 1,
    });
    expect(reply).toMatchObject({ status: 'failed', error: { code: 'all_parts_failed' } });
    expect(reply.parts.map(({ error }) => error?.code)).toEqual(Array.from(ASKED, () => 'deadline_passed'));
    await waitFor(async () =>
      (await groupOf(fleet, reply.coordination_id)).every(
        ({ status }) => status === 'failed' || status === 'cancelled',
      ),
    );
  });

  test('gives long answers cut, and a judge their beginning', async () => {
    const fleet = await mixedFleet();
    const long = { say: 'żółw 🐢 ', repeat: 60_000 };
    const does = { 'walnut-kernel': long, 'walnut-tester': long, judge: { say: 'BEST: 1' } };
    const reply = await ask(fleet, does, { strategy: 'best' });
    expect(reply).toMatchObject({ status: 'completed', answered_by: 'walnut-kernel', answer_cut: true });
    expect(reply.answer?.length).toBeGreaterThan(PART_TEXT_CHARS - 2);
    expect(reply.notes).toEqual([
      expect.stringContaining('walnut-kernel, walnut-tester the judge has seen only'),
    ]);
    const whole = await fleet.call('get', { task_id: reply.answer_task_id ?? '' });
    expect(whole.response_ref?.size_bytes).toBe(Buffer.byteLength('żółw 🐢 ') * 60_000);
  });

  test('refuses a name that leads nowhere', async () => {
    const fleet = await mixedFleet();
    await expect(ask(fleet, {}, { agents: ['walnut-kernel', 'nobody'] })).rejects.toMatchObject({
      code: 'agent_unknown',
      message: expect.stringContaining(
        'walnut-general, walnut-kernel, walnut-tester, walnut-thinker',
      ) as string,
    });
  });

  test('only plans when it is asked to', async () => {
    const fleet = await mixedFleet();
    const plan = await ask(fleet, {}, { strategy: 'synthesize', plan_only: true });
    expect(plan).toMatchObject({
      status: 'planned',
      parts: [{}, {}, {}, { role: 'judge', status: 'planned' }],
    });
    expect(await groupOf(fleet, plan.coordination_id)).toEqual([]);
  });
});

describe('a coordination whose reply is lost', () => {
  test('is taken up when it is asked again, and no agent is asked twice', async () => {
    const fleet = await mixedFleet();
    const gate = join(await temporaryDirectory(), 'open');
    const prompt = requirements({ 'walnut-kernel': { say: 'late', gate }, judge: { say: 'BEST: 1' } });
    const request = { coordination_id: 'lost-reply', prompt, agents: ASKED, strategy: 'best' as const };
    // Nobody is there any more when the reply comes.
    const leaving = await connect({ servers: fleet.nats.url });
    leaving.publish('ccli.coordinate', encode(CoordinateRequestSchema, request), { reply: '_INBOX.gone.1' });
    await leaving.flush();
    await waitFor(async () => (await groupOf(fleet, 'lost-reply')).length === 3);
    await leaving.close();
    const again = fleet.call('coordinate', request);
    await writeFile(gate, '');
    expect(await again).toMatchObject({ status: 'completed', answer: 'late', answered_by: 'walnut-kernel' });
    const tasks = await groupOf(fleet, 'lost-reply');
    expect(tasks).toHaveLength(4);
    expect(tasks.every(({ attempts }) => attempts === 1)).toBe(true);
    expect(await fleet.call('coordinate', request)).toMatchObject({ answer: 'late' });
    expect(await groupOf(fleet, 'lost-reply')).toHaveLength(4);
  });

  test('is taken up by another coordinator when its own has died', async () => {
    const fleet = await mixedFleet();
    const gate = join(await temporaryDirectory(), 'open');
    const prompt = requirements({ 'walnut-kernel': { say: 'late', gate } });
    const request = { coordination_id: 'orphan', prompt, agents: ASKED };
    const first = fleet.call('coordinate', request).catch((error: unknown) => error);
    await waitFor(async () => (await groupOf(fleet, 'orphan')).length === 3);
    await fleet.coordinator.stop();
    await first;
    await testCoordinator(fleet.nats);
    await waitFor(async () => (await groupOf(fleet, 'orphan')).length === 3);
    const again = fleet.call('coordinate', request);
    await writeFile(gate, '');
    const reply = await again;
    expect(reply.parts.map(({ response }) => response)).toEqual([
      'late',
      'answer of walnut-tester',
      'answer of walnut-general',
    ]);
    expect(await groupOf(fleet, 'orphan')).toHaveLength(3);
  });
});

test('cancelling a part of a coordination is told, and the others are given', async () => {
  const fleet = await mixedFleet();
  const asked = ask(fleet, { 'walnut-kernel': { hang: true } }, { coordination_id: 'hurry' });
  const hanging = await waitFor(async () =>
    (await groupOf(fleet, 'hurry')).find(
      ({ agent_id, status }) => agent_id === 'walnut-kernel' && status === 'running',
    ),
  );
  await fleet.call('cancel', { task_id: hanging.task_id });
  expect(await asked).toMatchObject({
    status: 'partial',
    parts: [
      { status: 'cancelled', error: { code: 'cancelled' } },
      { status: 'completed' },
      { status: 'completed' },
    ],
  });
});
