import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { connectTo, mcpFleet, WAYS } from './support/places.ts';

const script = (steps: Record<string, unknown>): string => `#${JSON.stringify(steps)}`;

test.each(WAYS)('a task tells how it comes along over $transport to the $kind client', async way => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, way);
  const gate = join(await temporaryDirectory(), 'open');
  const told: { progress: number; message?: string | undefined }[] = [];
  const running = client.call(
    'run_task',
    {
      prompt: script({ before: 'the first words', gate, say: ', the last words' }),
      agent_type: 'cli_generic',
    },
    { onprogress: progress => told.push(progress) },
  );
  await waitFor(
    () => told.some(({ message = '' }) => message.includes('15 characters so far: the first words')),
    {
      what: 'progress of the answer',
    },
  );
  await writeFile(gate, '');
  expect((await running).structuredContent).toMatchObject({ response: 'the first words, the last words' });
  const messages = told.map(({ message }) => message ?? '');
  expect(messages[0]).toMatch(/^task \w+ is submitted$/);
  expect(messages.some(message => /^task \w+ is running on walnut-/.test(message))).toBe(true);
  const numbers = told.map(({ progress }) => progress);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
});

test.each(WAYS)(
  'a task that outlasts the wait goes on and is fetched later over $transport to the $kind client',
  async way => {
    const fleet = await mcpFleet();
    const client = await connectTo(fleet, way);
    const gate = join(await temporaryDirectory(), 'open');
    const begun = await client.call('run_task', { prompt: script({ gate, say: 'at last' }), wait_s: 1 });
    expect(begun.isError ?? false).toBe(false);
    const task_id = String(begun.structuredContent?.['task_id']);
    expect(begun.content.at(-1)?.text).toContain(`call get_task with task_id "${task_id}"`);
    const meanwhile = await client.call('get_task', { task_id, wait_s: 1 });
    expect(meanwhile.structuredContent).toMatchObject({ task_id, status: 'running' });
    const waiting = client.call('get_task', { task_id, wait_s: 50 });
    await writeFile(gate, '');
    expect((await waiting).structuredContent).toMatchObject({ status: 'completed', response: 'at last' });
  },
);

test('a long response comes in pieces, and whole as a resource', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'modern' });
  // Longer than one message on the bus takes.
  const ran = await client.call('run_task', { prompt: script({ say: 'äbc😀', repeat: 60_000 }) });
  const { task_id, response, response_chars, next } = ran.structuredContent ?? {};
  expect(response_chars).toBe(300_000);
  expect(next).toContain('response_offset 50000');
  let whole = String(response);
  while (whole.length < 300_000) {
    const piece = await client.call('get_task', { task_id, response_offset: whole.length });
    const text = String(piece.structuredContent?.['response']);
    expect(text.length).toBeGreaterThan(40_000);
    whole += text;
  }
  expect(whole).toBe('äbc😀'.repeat(60_000));
  expect(await client.read(`ccli://tasks/${String(task_id)}/response`)).toBe(whole);
  expect(JSON.parse(await client.read(`ccli://tasks/${String(task_id)}`))).toMatchObject({ response: whole });
});

test('a response longer than clients take in one message comes in pieces alone', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'v1' });
  // As text it is short enough; escaped in a message it is not.
  const ran = await client.call('run_task', { prompt: script({ say: '\n"\n"\n"\n"', repeat: 700_000 }) });
  const { task_id, next } = ran.structuredContent ?? {};
  expect(next).toContain('response_offset 50000');
  expect(next).not.toContain('resource');
  const uri = `ccli://tasks/${String(task_id)}`;
  await expect(client.read(`${uri}/response`)).rejects.toThrow(/message_too_large: .*response_offset/);
  const task: unknown = JSON.parse(await client.read(uri));
  expect(task).toMatchObject({
    status: 'completed',
    response_left_out: expect.stringContaining('response_offset') as string,
  });
  expect(task).not.toHaveProperty('response');
  // The connection is as good as before.
  expect(await client.text('discover_agents')).toContain('walnut-echo');
});

test('a prompt longer than a message on the bus is taken', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'legacy' });
  const prompt = 'long '.repeat(500_000);
  const ran = await client.call('run_task', { prompt });
  expect(ran.structuredContent).toMatchObject({ status: 'completed', response_chars: prompt.length + 6 });
});
