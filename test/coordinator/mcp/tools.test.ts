import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { connectTo, mcpFleet, WAYS } from './support/places.ts';

const TOOLS = [
  'agent_health',
  'cancel_task',
  'coordinate_multi_agent_task',
  'discover_agents',
  'execute_task_on_agent',
  'get_task',
  'list_tasks',
  'run_task',
  'submit_task',
];

test.each(WAYS)('every tool answers over $transport to the $kind client', async way => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, way);

  const found = await client.call('discover_agents', { specialty: 'tester' });
  expect(found.structuredContent).toMatchObject({
    of: 2,
    agents: [{ agent_id: 'walnut-second', available: true, free_slots: 4, state: 'ready' }],
  });
  expect(found.content[0]?.text).toContain('walnut-second: cli_generic on walnut');

  const ran = await client.call('run_task', { prompt: 'hello', specialty: 'general_ai' });
  expect(ran.structuredContent).toMatchObject({
    status: 'completed',
    agent_id: 'walnut-echo',
    response: 'echo: hello',
    response_chars: 11,
    attempts: 1,
  });
  expect(ran.content[0]?.text).toBe('echo: hello');

  const named = await client.call('execute_task_on_agent', { agent_id: 'walnut-second', prompt: 'you' });
  expect(named.structuredContent).toMatchObject({ agent_id: 'walnut-second', response: 'echo: you' });

  const submitted = await client.call('submit_task', { prompt: 'later', task_id: 'mine', session_id: 's1' });
  expect(submitted.structuredContent).toMatchObject({ task_id: 'mine' });
  const got = await client.call('get_task', { task_id: 'mine', wait_s: 50 });
  expect(got.structuredContent).toMatchObject({
    task_id: 'mine',
    status: 'completed',
    response: 'echo: later',
  });

  const listed = await client.call('list_tasks', { status: ['completed'], session_id: 's1' });
  expect(listed.structuredContent).toMatchObject({ tasks: [{ task_id: 'mine', status: 'completed' }] });

  const cancelled = await client.call('cancel_task', { task_id: 'mine' });
  expect(cancelled.structuredContent).toMatchObject({ task_id: 'mine', status: 'completed' });

  const both = await client.call('coordinate_multi_agent_task', {
    prompt: 'together',
    agents: ['walnut-echo', 'walnut-second'],
  });
  expect(both.structuredContent).toMatchObject({ status: 'completed', strategy: 'all' });
  expect(both.structuredContent?.['parts']).toHaveLength(2);

  const health = await client.call('agent_health', { agent_id: 'walnut-echo' });
  expect(health.structuredContent).toMatchObject({
    agents: [{ agent_id: 'walnut-echo', health: 'ready', state: 'ready' }],
  });
});

test('an agent can be tried out', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'http', kind: 'modern' });
  const tried = await client.call('agent_health', { agent_id: 'walnut-echo', test: true });
  expect(tried.structuredContent).toMatchObject({ test: { ok: true } });
});

test.each(WAYS)('what it offers is described for a model over $transport to the $kind client', async way => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, way);
  const tools = await client.tools();
  expect(tools.map(({ name }) => name).sort()).toEqual(TOOLS);
  const ajv = new Ajv2020({ strict: false });
  for (const tool of tools) {
    expect(tool.description?.length, tool.name).toBeGreaterThan(80);
    expect(tool.annotations, tool.name).toMatchObject({ readOnlyHint: expect.any(Boolean) as boolean });
    expect(tool.inputSchema, tool.name).toMatchObject({ type: 'object', additionalProperties: false });
    for (const schema of [tool.inputSchema, tool.outputSchema]) {
      if (typeof schema !== 'object' || schema === null) throw new Error(`${tool.name} has no schema`);
      expect(ajv.validateSchema(schema), tool.name).toBe(true);
    }
  }
  expect(client.instructions()).toContain('call get_task');
  // It can make a model work.
  expect(tools.find(({ name }) => name === 'agent_health')?.annotations).toMatchObject({
    readOnlyHint: false,
    openWorldHint: true,
  });
});
