import { expect, test } from 'vitest';
import { connectTo, mcpFleet, WAYS } from './support/places.ts';

test.each(WAYS)('what goes wrong is told by its code over $transport to the $kind client', async way => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, way);

  const unknown = await client.call('get_task', { task_id: 'nobody' });
  expect(unknown).toMatchObject({
    isError: true,
    _meta: { 'ccli/error': { code: 'task_unknown', retryable: false } },
  });
  expect(unknown.structuredContent).toBeUndefined();
  expect(unknown.content[0]?.text).toMatch(/^task_unknown: No task is called "nobody"/);

  const nowhere = await client.call('execute_task_on_agent', { agent_id: 'nobody', prompt: 'x' });
  expect(nowhere.content[0]?.text).toMatch(/^agent_unknown: /);

  const empty = await client.call('run_task', { prompt: ' ' });
  expect(empty.content[0]?.text).toMatch(/^prompt_empty: /);

  const broken = await client.call('run_task', {
    prompt: '#{"exit":3,"stderr":"it broke"}',
    max_attempts: 1,
  });
  expect(broken.isError).toBe(true);
  expect(broken.content[0]?.text).toMatch(/^cli_crashed: .*The task \w+ failed\.$/s);

  const untested = await client.call('agent_health', { test: true });
  expect(untested.content[0]?.text).toMatch(/^invalid_request: agent_id/);
});

test.each(WAYS)('wrong arguments are named over $transport to the $kind client', async way => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, way);
  const wrong = await client.call('run_task', { prompt: 7, timeout: 3, wait_s: 0 });
  expect(wrong).toMatchObject({ isError: true, _meta: { 'ccli/error': { code: 'invalid_request' } } });
  expect(wrong.content[0]?.text).toMatch(/^invalid_request: /);
  for (const part of ['prompt', 'timeout', 'wait_s']) expect(wrong.content[0]?.text).toContain(part);
  const missing = await client.call('run_task', { wait_s: 0 });
  expect(missing.content[0]?.text).toMatch(/^invalid_request: .*prompt: is missing; wait_s: /);
  expect((await fleet.call('list', {})).tasks).toEqual([]);
});

test('an argument that Gemini CLI adds to every tool is passed over', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'v1' });
  const ran = await client.call('run_task', { prompt: 'hello', wait_for_previous: true });
  expect(ran.structuredContent).toMatchObject({ response: 'echo: hello' });
});

test('a tool that does not exist is an error of the protocol', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'stdio', kind: 'modern' });
  await expect(client.call('make_coffee')).rejects.toThrow(/make_coffee/);
});
