import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestFleet } from '../../support/fleet.ts';
import { mixedFleet, requirements } from '../../support/part-agents.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { connectTo } from './support/places.ts';

const AGENTS = ['walnut-kernel', 'walnut-tester'];

const running = (fleet: TestFleet, parts: number): Promise<true> =>
  waitFor(async () => (await fleet.call('list', { status: 'running' })).tasks.length === parts && true, {
    what: `${parts} running parts`,
  });

test('one answer of several agents comes with who gave it and why', async () => {
  const fleet = await mixedFleet({ http: { enabled: true } });
  const client = await connectTo(fleet, { transport: 'http', kind: 'v1' });
  const reply = await client.call('coordinate_multi_agent_task', {
    prompt: requirements({ judge: { say: 'BEST: 2\nREASON: it has tests' } }),
    agents: AGENTS,
    strategy: 'best',
  });
  expect(reply.structuredContent).toMatchObject({
    status: 'completed',
    answer: 'answer of walnut-tester',
    answered_by: 'walnut-tester',
    reason: 'it has tests',
  });
});

const gated = async () => {
  const gate = join(await temporaryDirectory(), 'open');
  const part = { gate, say: 'part' };
  const judge = { say: 'BEST: 2\nREASON: it has tests' };
  const prompt = requirements({ 'walnut-kernel': part, 'walnut-tester': part, judge });
  return { request: { prompt, agents: AGENTS }, open: () => writeFile(gate, '') };
};

test('a coordination tells how its parts come along', async () => {
  const fleet = await mixedFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'modern' });
  const { request, open } = await gated();
  const told: string[] = [];
  const call = client.call(
    'coordinate_multi_agent_task',
    { ...request, wait_s: 600 },
    { onprogress: ({ message = '' }) => told.push(message) },
  );
  await waitFor(() => told.some(one => / is running; 0 of 2 have answered$/.test(one)), {
    what: 'both parts being told of',
  });
  await open();
  expect((await call).structuredContent).toMatchObject({ status: 'completed' });
});

test('a coordination that outlasts the wait is taken up by the same call with its name', async () => {
  const fleet = await mixedFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'modern' });
  const { request, open } = await gated();
  const begun = await client.call('coordinate_multi_agent_task', { ...request, wait_s: 1 });
  expect(begun.structuredContent).toMatchObject({ status: 'running' });
  await open();
  const { coordination_id } = begun.structuredContent ?? {};
  const ended = await client.call('coordinate_multi_agent_task', { ...request, coordination_id });
  expect(ended.structuredContent).toMatchObject({ coordination_id, status: 'completed' });
  expect(ended.content.map(({ text }) => text)).toContain('walnut-tester:\npart');
});

test.each(['stdio', 'http'] as const)(
  'a coordination that outlasts the wait goes on to its judge by itself over %s',
  async transport => {
    const fleet = await mixedFleet({ http: { enabled: true } });
    const client = await connectTo(fleet, { transport, kind: 'modern' });
    const { request, open } = await gated();
    const begun = await client.call('coordinate_multi_agent_task', {
      ...request,
      strategy: 'best',
      wait_s: 1,
    });
    expect(begun.structuredContent).toMatchObject({ status: 'running' });
    await running(fleet, 2);
    await open();
    await waitFor(async () => {
      const { tasks } = await fleet.call('list', {});
      return tasks.length === 3 && tasks.every(({ status }) => status === 'completed');
    });
  },
);

test.each(['stdio', 'http'] as const)(
  'a call that is cancelled before its parts are there ends them all the same over %s',
  async transport => {
    const fleet = await mixedFleet({ http: { enabled: true } });
    const client = await connectTo(fleet, { transport, kind: 'modern' });
    await client.call('discover_agents');
    const user = new AbortController();
    const hang = requirements({ 'walnut-kernel': { hang: true }, 'walnut-tester': { hang: true } });
    const call = client
      .call(
        'coordinate_multi_agent_task',
        { prompt: hang, agents: AGENTS, wait_s: 600 },
        {
          signal: user.signal,
          onprogress: () => {
            user.abort();
          },
        },
      )
      .catch((error: unknown) => error);
    await call;
    await waitFor(async () => {
      const { tasks } = await fleet.call('list', {});
      return tasks.length === 2 && tasks.every(({ status }) => status === 'cancelled');
    });
  },
);

test('a cancelled call that asked several agents ends all their tasks', async () => {
  const fleet = await mixedFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'modern' });
  const user = new AbortController();
  const hang = requirements({ 'walnut-kernel': { hang: true }, 'walnut-tester': { hang: true } });
  const call = client
    .call(
      'coordinate_multi_agent_task',
      { prompt: hang, agents: AGENTS, wait_s: 600 },
      { signal: user.signal },
    )
    .catch((error: unknown) => error);
  await running(fleet, 2);
  user.abort();
  await call;
  await waitFor(async () =>
    (await fleet.call('list', {})).tasks.every(({ status }) => status === 'cancelled'),
  );
});

test('when every agent fails, the failure of each is told', async () => {
  const fleet = await mixedFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'legacy' });
  const broken = { exit: 3, stderr: 'it broke' };
  const reply = await client.call('coordinate_multi_agent_task', {
    prompt: requirements({ 'walnut-kernel': broken, 'walnut-tester': broken }),
    agents: AGENTS,
    budget_s: 20,
  });
  expect(reply.isError).toBe(true);
  expect(reply.content[0]?.text).toMatch(/^all_parts_failed: .*walnut-kernel: .*walnut-tester: /);
});
