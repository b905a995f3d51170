/** `/api/agents` over a real socket, in front of a real fleet. */
import { describe, expect, test } from 'vitest';
import { scriptedAgent, type TestFleet, testFleet } from '../../../support/fleet.ts';
import { ollamaStub } from '../../../support/ollama-stub.ts';
import { waitFor } from '../../../support/wait.ts';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}
type Call = (method: string, path: string, body?: unknown) => Promise<Answer>;

const caller =
  (fleet: TestFleet): Call =>
  async (method, path, body) => {
    const response = await fetch(`${fleet.coordinator.http_url ?? ''}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };

const SPECIALTIES = ['tester', 'docs_writer'];

async function fleetOf(
  agents = [scriptedAgent('one', { specialty: SPECIALTIES, max_concurrent: 2 })],
): Promise<{ fleet: TestFleet; call: Call }> {
  const fleet = await testFleet({ http: { enabled: true } });
  await fleet.startNode({ agents });
  for (const { id } of agents) await fleet.agentReady(String(id));
  return { fleet, call: caller(fleet) };
}

const registrationOf = async (fleet: TestFleet, agent_id: string): Promise<string | undefined> =>
  (await fleet.call('agents', {})).agents.find(agent => agent.agent_id === agent_id)?.registration;

const CLI = { id: 'one', agent_type: 'cli_generic', specialty: 'tester', canary: false };

describe('agents are shown', () => {
  test('with what their node tells, and the names that clients of REST APIs look for', async () => {
    const { call } = await fleetOf();
    const { status, body } = await call('GET', '/api/agents');
    expect(status).toBe(200);
    expect(body).toEqual({
      agents: [
        expect.objectContaining({
          id: 'one',
          agent_id: 'one',
          agent_type: 'cli_generic',
          endpoint: 'cli://walnut',
          specialty: 'tester',
          specialties: SPECIALTIES,
          max_concurrent: 2,
          current_tasks: 0,
          available: true,
          health: 'ready',
          node: 'walnut',
          cli_config: {
            host: 'walnut',
            cli_path: expect.stringContaining('scripted.mjs') as string,
            node_path: process.execPath,
            node_version: process.version,
            cli_version: expect.any(String) as string,
            max_concurrent: 2,
            command_timeout_s: 300,
          },
        }),
      ],
    });
  });

  test.each([
    ['agent_type=cli_generic', ['one', 'two']],
    ['agent_type=ollama', []],
    ['node=walnut', ['one', 'two']],
    ['node=ironwood', []],
    ['specialty=docs_writer', ['one']],
    ['available=true', ['one']],
    ['available=false', ['two']],
    ['available=true&specialty=general_ai', []],
  ])('only those that fit %s', async (query, ids) => {
    const { fleet, call } = await fleetOf([
      scriptedAgent('one', { specialty: SPECIALTIES }),
      scriptedAgent('two', { specialty: ['profiler'] }),
    ]);
    await fleet.call('register', { agent_id: 'two', enabled: false, canary: false });
    const { body } = await call('GET', `/api/agents?${query}`);
    expect((body as { agents: { id: string }[] }).agents.map(({ id }) => id)).toEqual(ids);
  });

  test('and a filter that there is not is refused', async () => {
    const { call } = await fleetOf();
    expect(await call('GET', '/api/agents?colour=red')).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'colour' }] },
    });
  });

  test('one by one, by the node where several have the id', async () => {
    const { fleet, call } = await fleetOf();
    expect(await call('GET', '/api/agents/one')).toMatchObject({ status: 200, body: { id: 'one' } });
    expect(await call('GET', '/api/agents/two')).toMatchObject({
      status: 404,
      body: { code: 'agent_unknown' },
    });
    await fleet.startNode({ node: 'ironwood', agents: [scriptedAgent('one')] });
    await waitFor(async () => (await fleet.call('agents', {})).agents.length === 2, { what: 'both nodes' });
    const { status, body } = await call('GET', '/api/agents/one');
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: expect.stringContaining('ironwood, walnut') as string });
    expect(await call('GET', '/api/agents/one?node=ironwood')).toMatchObject({
      body: { node: 'ironwood', endpoint: 'cli://ironwood' },
    });
  });
});

describe('a CLI agent is registered', () => {
  test('when its node finds it well, and again with other settings', async () => {
    const { fleet, call } = await fleetOf();
    const first = await call('POST', '/api/agents/cli', { ...CLI, cli_config: { host: 'walnut' } });
    expect(first).toMatchObject({
      status: 201,
      body: {
        status: 'success',
        agent_id: 'one',
        agent: { registration: 'registered', specialty: 'tester' },
      },
    });
    const location = first.headers.get('location') ?? '';
    expect(await call('GET', location)).toMatchObject({ status: 200, body: { id: 'one' } });
    const again = {
      ...CLI,
      specialty: SPECIALTIES,
      priority: 3,
      canary: true,
      cli_config: { host: 'walnut' },
    };
    expect(await call('POST', '/api/agents/cli', again)).toMatchObject({
      status: 200,
      body: { status: 'success', agent: { priority: 3, specialties: SPECIALTIES } },
    });
    expect(await registrationOf(fleet, 'one')).toBe('registered');
  });

  test('with the very `cli_config` that it shows', async () => {
    const { call } = await fleetOf();
    const { body } = await call('GET', '/api/agents/one');
    const { cli_config } = body as { cli_config: object };
    expect(await call('POST', '/api/agents/cli', { ...CLI, cli_config })).toMatchObject({
      status: 201,
      body: { agent: { cli_config } },
    });
  });

  test.each([
    ['id', { id: undefined }],
    ['agent_type', { agent_type: undefined }],
    ['specialty', { specialty: undefined }],
    ['cli_config', { cli_config: undefined }],
    ['cli_config.host', { cli_config: {} }],
  ])('never without %s', async (path, change) => {
    const { call } = await fleetOf();
    const request = { ...CLI, cli_config: { host: 'walnut' }, ...change };
    expect(await call('POST', '/api/agents/cli', request)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', detail: `Missing required field: ${path}`, errors: [{ path }] },
    });
  });

  test.each([
    ['node_path', { node_path: '/opt/node/bin/node' }, process.execPath],
    ['gemini_path', { gemini_path: '/opt/gemini' }, 'scripted.mjs'],
    ['node_version', { node_version: '1.2.3' }, process.versions.node],
    ['model', { model: 'gpt-0' }, 'names none'],
    ['cli_version', { cli_version: '0.0.1' }, 'it is '],
  ])('never with a %s that is not what runs there', async (field, claim, real) => {
    const { fleet, call } = await fleetOf();
    const cli_config = { host: 'walnut', ...claim };
    const { status, headers, body } = await call('POST', '/api/agents/cli', { ...CLI, cli_config });
    expect(status).toBe(400);
    expect(headers.get('content-type')).toContain('application/problem+json');
    const { detail, code, finding } = body as Record<string, unknown>;
    expect(code).toBe('connectivity_test_failed');
    expect(detail).toMatch(/^CLI agent connectivity test failed: /);
    expect(detail).toContain(`cli_config.${field}`);
    expect(detail).toContain(Object.values(claim)[0]);
    expect(detail).toContain(real);
    expect(finding).toMatchObject({ code: 'agent_differs', retryable: false });
    expect(await registrationOf(fleet, 'one')).toBe('discovered');
  });

  test.each([
    ['of another type', { agent_type: 'cli_gemini' }, 'agent_differs'],
    ['that is not there', { id: 'nobody' }, 'agent_unknown'],
    ['on a node that is not there', { cli_config: { host: 'pine' } }, 'node_unknown'],
    ['whose CLI is missing', { id: 'broken' }, 'cli_missing'],
    ['whose canary fails', { id: 'mute', canary: true }, 'empty_reply'],
  ])('never one %s', async (_what, change, code) => {
    const { fleet, call } = await fleetOf();
    await fleet.startNode({
      node: 'ironwood',
      agents: [
        scriptedAgent('broken', { command: '/no/such/cli' }),
        scriptedAgent('mute', { command: '/bin/true' }),
      ],
    });
    await waitFor(async () => (await fleet.call('agents', {})).agents.length === 3, { what: 'all agents' });
    const host = 'id' in change && change.id !== 'nobody' ? 'ironwood' : 'walnut';
    const request = { ...CLI, cli_config: { host }, ...change };
    const { status, body } = await call('POST', '/api/agents/cli', request);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: 'connectivity_test_failed',
      detail: expect.stringMatching(/^CLI agent connectivity test failed: ./) as string,
      finding: { code },
    });
    const { agents } = await fleet.call('agents', {});
    expect(agents.map(({ registration }) => registration)).toEqual(Array(3).fill('discovered'));
  });

  test('never while registration is off, which is no fault of the agent', async () => {
    const { call } = await fleetOf();
    expect(await call('PUT', '/api/registration', { open: false })).toMatchObject({ body: { open: false } });
    expect(await call('GET', '/api/registration')).toMatchObject({ body: { open: false } });
    expect(await call('POST', '/api/agents/cli', { ...CLI, cli_config: { host: 'walnut' } })).toMatchObject({
      status: 409,
      body: { code: 'registration_off' },
    });
  });

  test('never with fields that contradict each other, or are not known', async () => {
    const { call } = await fleetOf();
    const cli_config = { host: 'walnut', max_concurrent: 2, ssh_key: 'x' };
    expect(await call('POST', '/api/agents/cli', { ...CLI, cli_config })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'cli_config.ssh_key' }] },
    });
    expect(
      await call('POST', '/api/agents/cli', {
        ...CLI,
        max_concurrent: 1,
        cli_config: { host: 'walnut', max_concurrent: 2 },
      }),
    ).toMatchObject({ status: 400, body: { errors: [{ path: 'max_concurrent' }] } });
  });
});

describe('a model of an Ollama server', () => {
  test('is registered where a node permits its server, and only if it is there', async () => {
    const stub = await ollamaStub({ models: ['llama3:latest'] });
    const fleet = await testFleet({ http: { enabled: true } });
    await fleet.startNode({ settings: { permit: { ollama: { endpoints: [stub.url] } } } });
    await waitFor(async () => (await fleet.call('nodes', {})).nodes.length === 1, { what: 'the node' });
    const call = caller(fleet);
    const llama = { id: 'llama', endpoint: stub.url, model: 'llama3', specialty: 'reasoning' };
    const { status, body } = await call('POST', '/api/agents/ollama', llama);
    expect(body).toMatchObject({
      status: 'success',
      agent_id: 'llama',
      agent: { agent_type: 'ollama', endpoint: stub.url, cli_config: null, node: 'walnut' },
    });
    expect(status).toBe(201);
    const failed = await call('POST', '/api/agents/ollama', { ...llama, id: 'qwen', model: 'qwen3' });
    expect(failed).toMatchObject({
      status: 400,
      body: {
        code: 'connectivity_test_failed',
        detail: expect.stringMatching(/^Ollama agent connectivity test failed: ./) as string,
        finding: { code: 'model_not_found' },
      },
    });
    const elsewhere = { ...llama, id: 'other', endpoint: 'http://127.0.0.1:9' };
    expect(await call('POST', '/api/agents/ollama', elsewhere)).toMatchObject({
      status: 400,
      body: { finding: { code: 'not_permitted' } },
    });
    expect(await call('POST', '/api/agents/ollama', { ...llama, model: undefined })).toMatchObject({
      status: 400,
      body: { detail: 'Missing required field: model' },
    });
  });
});

describe('a registered agent', () => {
  async function registered(): Promise<{ fleet: TestFleet; call: Call }> {
    const { fleet, call } = await fleetOf();
    await fleet.call('register', { agent_id: 'one', canary: false, priority: 4 });
    return { fleet, call };
  }

  test('changes as it is told, and takes back what its file says', async () => {
    const { call } = await registered();
    expect(
      await call('PATCH', '/api/agents/one', {
        specialty: 'profiler',
        max_concurrent: 1,
        labels: { a: 'b' },
      }),
    ).toMatchObject({
      status: 200,
      body: { agent: { specialties: ['profiler'], max_concurrent: 1, labels: { a: 'b' }, priority: 4 } },
    });
    expect(await call('PATCH', '/api/agents/one', { specialty: null, priority: null })).toMatchObject({
      status: 200,
      body: { agent: { specialties: SPECIALTIES, priority: 0, max_concurrent: 1 } },
    });
    expect(await call('PATCH', '/api/agents/one', {})).toMatchObject({ status: 400 });
    expect(await call('PATCH', '/api/agents/one', { model: 'x' })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'model' }] },
    });
  });

  test('is disabled and enabled, and goes', async () => {
    const { fleet, call } = await registered();
    expect(await call('POST', '/api/agents/one/disable')).toMatchObject({
      status: 200,
      body: { agent: { enabled: false, available: false } },
    });
    expect(await call('POST', '/api/agents/one/enable')).toMatchObject({
      body: { agent: { enabled: true } },
    });
    expect(await call('DELETE', '/api/agents/one')).toMatchObject({
      status: 200,
      body: { removed: true, node: 'walnut' },
    });
    expect(await registrationOf(fleet, 'one')).toBe('discovered');
    expect(await call('POST', '/api/agents/one/disable')).toMatchObject({
      status: 409,
      body: { code: 'agent_not_registered' },
    });
    expect(await call('DELETE', '/api/agents/nobody')).toMatchObject({ status: 404 });
  });

  test('drains: nothing new, and a word on how far it is', async () => {
    const { fleet, call } = await registered();
    const { task_id } = await fleet.call('submit', { prompt: '#{"hang":true}' });
    await fleet.reaches(task_id, 'running');
    expect(await call('POST', '/api/agents/one/drain')).toMatchObject({
      status: 200,
      body: { draining: true, drained: false, current_tasks: 1, agent: { enabled: false } },
    });
    const waiting = call('POST', '/api/agents/one/drain?wait=60');
    await fleet.call('cancel', { task_id });
    expect(await waiting).toMatchObject({ body: { draining: true, drained: true, current_tasks: 0 } });
  });

  test('is tested, with a prompt or without', async () => {
    const { call } = await registered();
    for (const body of [undefined, { canary: false }])
      expect(await call('POST', '/api/agents/one/test', body)).toMatchObject({
        status: 200,
        body: { ok: true, agent: { id: 'one', cli_config: { host: 'walnut' } } },
      });
    expect(await call('POST', '/api/agents/nobody/test')).toMatchObject({
      status: 404,
      body: { code: 'agent_unknown' },
    });
  });

  test('is verified', async () => {
    const { call } = await registered();
    const { status, body } = await call('POST', '/api/agents/one/verify');
    expect(status).toBe(200);
    expect(body).toMatchObject({ agent_id: 'one', node: 'walnut' });
    expect((body as { checks: unknown[] }).checks.length).toBeGreaterThan(0);
  });
});

test('an id that two nodes have is refused until the node is named', async () => {
  const fleet = await testFleet({ http: { enabled: true } });
  for (const node of ['walnut', 'ironwood']) await fleet.startNode({ node, agents: [scriptedAgent('twin')] });
  const call = caller(fleet);
  await waitFor(async () => {
    const { agents } = await fleet.call('agents', {});
    return agents.filter(({ health }) => health === 'ready').length === 2;
  });
  const twin = { ...CLI, id: 'twin' };
  for (const host of ['walnut', 'ironwood'])
    expect((await call('POST', '/api/agents/cli', { ...twin, cli_config: { host } })).status).toBe(201);

  const ways: readonly (readonly [string, string, unknown?])[] = [
    ['GET', ''],
    ['PATCH', '', { priority: 3 }],
    ['POST', '/disable'],
    ['POST', '/enable'],
    ['POST', '/drain'],
    ['POST', '/test', { canary: false }],
    ['DELETE', ''],
  ];
  for (const [method, path, body] of ways) {
    const refused = await call(method, `/api/agents/twin${path}`, body);
    expect([method, path, refused]).toMatchObject([
      method,
      path,
      {
        status: 400,
        body: { code: 'invalid_request', detail: expect.stringContaining('ironwood, walnut') as unknown },
      },
    ]);
  }
  for (const [method, path, body] of ways) {
    const { status, body: told } = await call(method, `/api/agents/twin${path}?node=ironwood`, body);
    expect([method, path, status]).toEqual([method, path, 200]);
    expect(JSON.stringify(told)).toContain('ironwood');
    expect(JSON.stringify(told)).not.toContain('walnut');
  }
});
