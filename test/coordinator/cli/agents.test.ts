import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import type { Operations } from '../../../coordinator/operations.ts';
import { SPECIALTIES } from '../../../protocol/agent.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { AgentView, NodeView, OperationRequest } from '../../../protocol/operation.ts';
import { advertOf } from '../../support/advert.ts';
import { agentView } from '../../support/agent-view.ts';
import { FLEET_STATUS } from '../../support/fleet-status.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
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

const view = (changes: Partial<AgentView> = {}): AgentView => agentView('walnut-gemini', changes);

/** A fleet whose registry takes what it is given, unless `wrap` has other plans. */
async function fleet(wrap: Partial<Operations> = {}) {
  fleets += 1;
  const prefix = `agents${fleets}`;
  const registered: OperationRequest<'register'>[] = [];
  const updated: OperationRequest<'update'>[] = [];
  const coordinator = await startScriptedCoordinator({
    url: nats.url,
    prefix,
    script: () => undefined,
    wrap: () => ({
      register: request => {
        registered.push(request);
        const { agent_id, node = 'walnut', ollama, specialty = ['general_ai'] } = request;
        return Promise.resolve({
          agent: view({
            agent_id,
            node,
            specialty,
            ...(ollama !== undefined && {
              agent_type: 'ollama',
              endpoint: ollama.endpoint,
              model: ollama.model,
            }),
          }),
        });
      },
      update: request => {
        updated.push(request);
        return Promise.resolve({ agent: view({ enabled: request.enabled ?? true }) });
      },
      ...wrap,
    }),
  });
  onTestFinished(() => coordinator.stop());
  const at = ['--nats', nats.url, '--prefix', prefix];
  const agents = (...args: string[]) => ccli(['agents', ...args, ...at]);
  return { at, agents, registered, updated, coordinator };
}

async function file(content: string, name = 'agents.yaml'): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await writeFile(path, content);
  return path;
}

describe('ccli agents', () => {
  test('lists the agents', async () => {
    const { agents } = await fleet({ agents: () => Promise.resolve({ agents: [view()] }) });
    const { code, out } = await agents();
    expect(code).toBe(0);
    expect(out).toMatch(/^AGENT .*\nwalnut-gemini .* cli:\/\/walnut +registered\n$/);
    const { out: json } = await agents('--json');
    expect(JSON.parse(json)).toEqual({ agents: [view()] });
  });

  test('names its commands to whoever writes another one', async () => {
    const { agents } = await fleet();
    const { code, err } = await agents('regster');
    expect(code).toBe(2);
    expect(err).toMatch(/`ccli agents` has no command "regster"; it has register, update, .*registration\./);
  });

  test('takes the flags of the fleet before and behind a command', async () => {
    const { at, registered } = await fleet();
    expect((await ccli(['agents', ...at, 'register', 'a', '--json'])).code).toBe(0);
    expect((await ccli(['agents', '--json', 'register', 'b', ...at])).code).toBe(0);
    expect(registered.map(({ agent_id }) => agent_id)).toEqual(['a', 'b']);
  });
});

describe('ccli agents register', () => {
  test('registers one that a node advertises', async () => {
    const { agents, registered } = await fleet();
    expect(await agents('register', 'walnut-gemini')).toEqual({
      code: 0,
      out: 'registered walnut-gemini of walnut: ready, 2 slots, at cli://walnut\n',
      err: 'looking at walnut-gemini through its node, with a short prompt\n',
    });
    expect(registered).toEqual([{ agent_id: 'walnut-gemini', canary: true }]);
  });

  test('takes every setting as a flag', async () => {
    const { agents, registered } = await fleet();
    const { code, out } = await agents(
      ...['register', 'ash-llama3', '--node', 'walnut', '--no-canary', '--disabled'],
      ...['--endpoint', 'http://10.0.0.7:11434/', '--model', 'llama3.1:8b', '--keep-alive', '-1'],
      ...['--option', 'num_ctx=8192', '--option', 'stop=["x"]', '--option', 'name=a=b'],
      ...['--specialty', 'reasoning', '--specialty', 'tester', '--label', 'rack=2', '--label', 'gpu=a100'],
      ...['--max-concurrent', '3', '--priority', '-5', '--expected-version', '>=0.60 <0.62'],
    );
    expect(code).toBe(0);
    expect(out).toBe(
      'registered ash-llama3 of walnut: ready, 2 slots, llama3.1:8b at http://10.0.0.7:11434\n',
    );
    expect(registered).toEqual([
      {
        agent_id: 'ash-llama3',
        node: 'walnut',
        canary: false,
        enabled: false,
        specialty: ['reasoning', 'tester'],
        labels: { rack: '2', gpu: 'a100' },
        max_concurrent: 3,
        priority: -5,
        expected_version: '>=0.60 <0.62',
        ollama: {
          endpoint: 'http://10.0.0.7:11434',
          model: 'llama3.1:8b',
          keep_alive: -1,
          options: { num_ctx: 8192, stop: ['x'], name: 'a=b' },
        },
      },
    ]);
  });

  test.each<[string, string[], string]>([
    ['a model without a server', ['a', '--model', 'm'], '--endpoint is missing'],
    ['no agent', [], 'Name its id, or a --file'],
    ['an unknown specialty', ['a', '--specialty', 'poet'], 'kernel_dev'],
    ['a URL that is none', ['a', '--endpoint', 'walnut:11434', '--model', 'm'], 'http://host:11434'],
    ['a label without a value', ['a', '--label', 'rack'], 'name=value'],
    ['a file and an agent', ['a', '--file', 'x.yaml'], 'stand in the file'],
  ])('refuses %s', async (_, args, says) => {
    const { agents, registered } = await fleet();
    const { code, err } = await agents('register', ...args);
    expect(code).toBe(2);
    expect(err).toContain(says);
    expect(registered).toEqual([]);
  });

  test('tells what the look at the agent has found, with the exit code for it', async () => {
    const { agents } = await fleet({
      register: () =>
        Promise.reject(new CcliError('cli_not_signed_in', 'gemini on walnut is not signed in.')),
    });
    const { code, err } = await agents('register', 'walnut-gemini', '-q');
    expect(code).toBe(7);
    expect(err).toBe('error cli_not_signed_in: gemini on walnut is not signed in.\n');
  });

  test('takes one agent or a list from a file', async () => {
    const { agents, registered } = await fleet();
    const list = await file(
      `- id: walnut-gemini
  expected_version: ^0.61.0
- id: ash-llama3
  node: ironwood
  endpoint: http://ash:11434
  model: llama3
  specialty: reasoning
`,
    );
    const { code, out } = await agents('register', '--file', list, '--no-canary', '-q');
    expect(code).toBe(0);
    expect(out).toMatch(/^walnut-gemini +walnut +registered +- +cli:\/\/walnut +general_ai$/m);
    expect(out).toMatch(/^ash-llama3 +ironwood +registered +llama3 +http:\/\/ash:11434 +reasoning$/m);
    const one = await file('{"agent_id": "b", "ollama": {"endpoint": "http://b:1", "model": "m"}}', 'a.json');
    expect((await agents('register', '--file', one)).code).toBe(0);
    expect(registered).toEqual([
      { agent_id: 'walnut-gemini', canary: false, expected_version: '^0.61.0' },
      {
        agent_id: 'ash-llama3',
        node: 'ironwood',
        canary: false,
        specialty: ['reasoning'],
        ollama: { endpoint: 'http://ash:11434', model: 'llama3' },
      },
      { agent_id: 'b', canary: true, ollama: { endpoint: 'http://b:1', model: 'm' } },
    ]);
  });

  test('of a file refuses settings that there are not', async () => {
    const { agents, registered } = await fleet();
    const { code, out } = await agents('register', '-q', '--file', await file('- id: a\n  prioritee: 3\n'));
    expect(code).toBe(2);
    expect(out).toContain('a, line 1: no setting is called "prioritee".\n');
    expect(registered).toEqual([]);
  });

  test('Ctrl-C ends the waiting and says what may have become of it', async () => {
    const { at, coordinator } = await fleet({ register: () => new Promise(() => undefined) });
    const run = fakeIo();
    const ended = runCli(['agents', 'register', 'walnut-gemini', ...at], run.io);
    await waitFor(() => coordinator.asked.includes('register'));
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.err()).toContain('Stopped waiting; walnut-gemini may be registered all the same');
    expect(run.listeners()).toBe(0);
  });
});

describe('ccli agents import', () => {
  const wanted = {
    agent_id: 'walnut-llama3',
    canary: true,
    specialty: ['kernel_dev'],
    max_concurrent: 2,
    ollama: { endpoint: 'http://walnut:11434', model: 'llama3:8b' },
  };

  test.each<[string, string]>([
    [
      'a list',
      `- {id: walnut-llama3, endpoint: "http://walnut:11434", model: "llama3:8b", specialty: kernel_dev, max_concurrent: 2}`,
    ],
    [
      'a list under "agents", in JSON',
      `{"agents": [{"id": "walnut-llama3", "endpoint": "http://walnut:11434/", "model": "llama3:8b",
        "specialty": ["kernel_dev"], "max_concurrent": 2, "status": "available", "current_tasks": 0}], "total": 1}`,
    ],
    [
      'a map from ids, in other words',
      `agents:
  WALNUT-Llama3:
    url: walnut:11434
    model: llama3:8b
    specialization: Kernel-Dev
    maxConcurrent: 2
    name: The first one`,
    ],
    [
      'a map from ids alone',
      `walnut-llama3: {host: walnut, model: "llama3:8b", specialties: kernel_dev, slots: 2, agent_type: ollama}`,
    ],
    ['one agent', `name: walnut-llama3\nhost: walnut\nmodel: llama3:8b\nspecialty: kernel_dev\nslots: 2`],
  ])('takes %s', async (_, content) => {
    const { agents, registered } = await fleet();
    const { code, err } = await agents('import', await file(content));
    expect({ code, err }).toEqual({ code: 0, err: 'registering walnut-llama3 (1 of 1)\n' });
    expect(registered).toEqual([wanted]);
  });

  test.each<[string, string]>([
    [
      'with a merge key',
      `base: &base {endpoint: "http://walnut:11434", model: "llama3:8b", slots: 1}
agents:
  - <<: *base
    id: walnut-llama3
    specialty: kernel_dev
    slots: 2`,
    ],
    [
      'that are aliases in a map',
      `templates:
  - &one {endpoint: "http://walnut:11434", model: "llama3:8b", slots: 2, specialty: kernel_dev}
agents:
  walnut-llama3: *one`,
    ],
    [
      'that a map of agents merges',
      `more: &more
  walnut-llama3: {host: walnut, model: "llama3:8b", slots: 2, specialty: kernel_dev}
agents:
  <<: *more`,
    ],
    [
      'of two documents',
      `---
agents: []
---
- {id: walnut-llama3, host: walnut, model: "llama3:8b", slots: 2, specialty: kernel_dev}
---
`,
    ],
  ])('takes agents %s', async (_, content) => {
    const { agents, registered } = await fleet();
    const { code, out } = await agents('import', '-q', await file(content));
    expect({ code, out }).toEqual({ code: 0, out: expect.any(String) as string });
    expect(registered).toEqual([wanted]);
  });

  test('names the agents of a map that say nothing yet', async () => {
    const { agents, registered } = await fleet();
    const list = 'agents:\n  empty:\n  host: {url: walnut, model: m}\n  nothing: {}\n';
    const { out } = await agents('import', '-q', await file(list));
    expect(registered.map(({ agent_id }) => agent_id)).toEqual(['host']);
    expect(out).toContain('empty, line 2: it has no endpoint; it has no model.\n');
    expect(out).toContain('nothing, line 4: it has no endpoint; it has no model.\n');
  });

  test('takes one id on several nodes, and only once on each', async () => {
    const { agents, registered } = await fleet();
    const at = (node: string) => `- {id: a, node: ${node}, endpoint: "http://a:1", model: m}\n`;
    const { out } = await agents('import', '-q', await file(at('walnut') + at('ironwood') + at('walnut')));
    expect(registered.map(({ node }) => node)).toEqual(['walnut', 'ironwood']);
    expect(out).toContain('a, line 3: line 1 has an agent of this id on walnut already.\n');
  });

  test('says what of an address it left out', async () => {
    const { agents, registered } = await fleet();
    const list = await file('- {id: a, url: "http://WALNUT:11434/api/generate", model: m, port: 11434}');
    const { out } = await agents('import', '-q', list);
    expect(registered[0]?.ollama?.endpoint).toBe('http://walnut:11434');
    expect(out).toContain('a: /api/generate was left off its endpoint\n');
    expect(out).not.toContain('means nothing here');
  });

  test('registers nothing at an address that contradicts itself', async () => {
    const { agents, registered } = await fleet();
    const list = await file('- {id: a, url: "walnut:11434", port: 11435, model: m}');
    expect((await agents('import', '-q', list)).out).toContain(
      'a, line 1: walnut:11434 and port 11435 contradict each other.\n',
    );
    expect(registered).toEqual([]);
  });

  test('takes a list from stdin', async () => {
    const { at, registered } = await fleet();
    const stdin = '[{"id": "a", "endpoint": "http://a:1", "model": "m"}]';
    expect((await ccli(['agents', 'import', '-', ...at], { stdin })).code).toBe(0);
    expect(registered).toHaveLength(1);
  });

  const LIST = `- {id: a, endpoint: "http://a:11434", model: m, colour: green}
- {id: b, endpoint: "http://b:11434", model: m, specialty: poet}
- {id: c, endpoint: "http://c:11434", model: m}
- {id: d, endpoint: "http://d:11434"}
- {id: e, endpoint: "http://e:11434", model: m}
- {id: a, endpoint: "http://f:11434", model: m}
`;

  test('registers what it can, and names entry and reason of all else', async () => {
    const { agents, registered } = await fleet({
      register: request => {
        registered.push(request);
        if (request.agent_id === 'c')
          return Promise.reject(new CcliError('endpoint_unreachable', 'Nothing listens at http://c:11434.'));
        return Promise.resolve({ agent: view({ agent_id: request.agent_id }) });
      },
    });
    const { code, out, err } = await agents('import', '-q', await file(LIST));
    expect(code).toBe(1);
    expect(registered.map(({ agent_id }) => agent_id)).toEqual(['a', 'c', 'e']);
    expect(
      out
        .split('\n')
        .slice(1, 7)
        .map(row => row.split(/ {2,}/).slice(0, 3)),
    ).toEqual([
      ['a', 'walnut', 'registered'],
      ['b', '-', 'config_invalid'],
      ['c', '-', 'endpoint_unreachable'],
      ['d', '-', 'config_invalid'],
      ['e', 'walnut', 'registered'],
      ['a', '-', 'config_invalid'],
    ]);
    expect(out.split('\n').slice(7)).toEqual([
      'a: colour means nothing here, and was left out',
      `b, line 2: specialty "poet" is unknown; there are ${SPECIALTIES.join(', ')}.`,
      'c, line 3: Nothing listens at http://c:11434.',
      'd, line 4: it has no model.',
      'a, line 6: line 1 has an agent of this id already.',
      '',
    ]);
    expect(err).toBe('4 of 6 agents were not registered; mend that and repeat.\n');
  });

  test('prints JSON with an error for each that failed, and exits with their common code', async () => {
    const { agents } = await fleet();
    const { code, out, err } = await agents('import', '--json', await file(LIST));
    expect({ code, err }).toEqual({ code: 2, err: '' });
    const { results } = JSON.parse(out) as { results: unknown[] };
    expect(results).toHaveLength(6);
    expect(results[0]).toMatchObject({ agent_id: 'a', outcome: 'registered', agent: { agent_id: 'a' } });
    expect(results[1]).toMatchObject({
      agent_id: 'b',
      line: 2,
      outcome: 'failed',
      error: { code: 'config_invalid' },
    });
  });

  test('does not go on when what stopped one would stop them all', async () => {
    const { agents, coordinator } = await fleet({
      register: () => Promise.reject(new CcliError('registration_off')),
    });
    const { code, out } = await agents('import', '-q', await file(LIST));
    expect(code).toBe(2);
    expect(coordinator.asked.filter(name => name === 'register')).toHaveLength(1);
    expect(out).toMatch(/^e +- +not tried +m +http:\/\/e:11434/m);
  });

  const nodeView = (node: string, ...ollama_endpoints: string[]): NodeView => {
    const { v: _, running: __, agents: ___, ...advert } = advertOf({ node, ollama_endpoints });
    const counts = { agents: 0, running: 0, slots: 0 };
    return { ...advert, ...counts, alive: true, contested: false, silent_ms: 0 };
  };

  const previewed = (
    nodes: NodeView[],
    agents: AgentView[] = [],
    registration: 'open' | 'off' = 'open',
  ): Partial<Operations> => ({
    agents: () => Promise.resolve({ agents }),
    nodes: () => Promise.resolve({ nodes }),
    status: () => Promise.resolve({ ...FLEET_STATUS, registration }),
  });

  test('shows with --dry-run what would be done, and does none of it', async () => {
    const walnut = nodeView('walnut', 'http://a:11434', 'http://c:11434');
    const { agents, registered } = await fleet(
      previewed([walnut], [view({ agent_id: 'a' }), view({ agent_id: 'c', registration: 'discovered' })]),
    );
    const { code, out } = await agents('import', '--dry-run', await file(LIST));
    expect(code).toBe(2);
    expect(out).toMatch(/^a +walnut +would be registered anew +m +http:\/\/a:11434/m);
    expect(out).toMatch(/^b +- +would fail/m);
    expect(out).toMatch(/^c +walnut +would be registered +m +http:\/\/c:11434/m);
    expect(out).toMatch(
      /^e, line 5: No node that is there permits http:\/\/e:11434; add it to `permit.ollama/m,
    );
    expect(registered).toEqual([]);
  });

  const ONE = '- {id: a, endpoint: "http://a:1", model: m}';
  const permitting = (node: string): NodeView => nodeView(node, 'http://a:1');

  test.each<[string, Partial<Operations>, string[], string]>([
    ['registration is off', previewed([permitting('walnut')], [], 'off'), [], 'registration'],
    [
      'several nodes permit the endpoint',
      previewed([permitting('walnut'), permitting('ironwood')]),
      [],
      'Several nodes come into question for a: ironwood, walnut. Say which with --node',
    ],
    [
      'its node permits the endpoint no longer',
      previewed([nodeView('walnut')], [view({ agent_id: 'a' })]),
      [],
      'No node that is there permits http://a:1',
    ],
    [
      'its node is silent',
      previewed([{ ...permitting('walnut'), alive: false }]),
      ['--node', 'walnut'],
      'Node walnut is silent',
    ],
    [
      'there is no such node',
      previewed([permitting('walnut')]),
      ['--node', 'elm'],
      'No node is called "elm"',
    ],
  ])('says with --dry-run that it would fail when %s', async (_, wrap, args, says) => {
    const { agents } = await fleet(wrap);
    const { code, out } = await agents('import', '--dry-run', ...args, await file(ONE));
    expect(code).not.toBe(0);
    expect(out).toMatch(/^a +\S+ +would fail/m);
    expect(out).toContain(says);
  });

  test('sees with --dry-run on which of several nodes it is registered', async () => {
    const nodes = [permitting('walnut'), permitting('ironwood')];
    const { agents } = await fleet(previewed(nodes, [view({ agent_id: 'a', node: 'ironwood' })]));
    const { code, out } = await agents('import', '--dry-run', await file(ONE));
    expect(code).toBe(0);
    expect(out).toMatch(/^a +ironwood +would be registered anew/m);
  });

  test('looks through a list with --dry-run also without a fleet', async () => {
    const list = await file('- {id: a, endpoint: "http://a:1", model: m, specialty: tester}');
    const { code, out, err } = await ccli([
      ...['agents', 'import', '--dry-run', '--nats', 'nats://127.0.0.1:1', list],
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^a +- +would be registered +m +http:\/\/a:1 +tester$/m);
    expect(err).toContain('The fleet was not asked, only the file was looked at.');
  });

  test.each<[string, string, string]>([
    ['is not there', '', 'cannot be read'],
    ['is neither YAML nor JSON', '{"a": ', 'cannot be read as YAML or JSON'],
    ['lists nothing', '[]', 'lists no agents'],
    ['is no list', 'just words', 'is no list of agents'],
    ['lists something else', '- 1\n- 2', 'line 1: an agent is a map of settings'],
    [
      'says something twice',
      'a: {}\na: {}',
      'line 2, cannot be read as YAML or JSON: Map keys must be unique',
    ],
    [
      'points to nothing',
      'a: {}\nb: *c',
      'line 2, cannot be read as YAML or JSON: nothing before it is marked &c',
    ],
    ['merges what is no map', '- {<<: 5, id: a}', 'line 1, cannot be read as YAML or JSON: Merge sources'],
  ])('refuses a file that %s', async (_, content, says) => {
    const path = content === '' ? '/nonexistent/agents.yaml' : await file(content);
    const { code, err } = await (await fleet()).agents('import', path);
    expect(code).toBe(2);
    expect(err).toContain(says);
  });

  test('Ctrl-C shows how far it came', async () => {
    const { at, registered } = await fleet({
      register: request => {
        registered.push(request);
        if (request.agent_id === 'a') return Promise.resolve({ agent: view({ agent_id: 'a' }) });
        return new Promise(() => undefined);
      },
    });
    const run = fakeIo();
    const ended = runCli(['agents', 'import', '-q', await file(LIST), ...at], run.io);
    await waitFor(() => registered.length === 2);
    run.interrupt();
    expect(await ended).toBe(130);
    expect(run.out()).toMatch(/^a +walnut +registered/m);
    expect(run.out()).toMatch(/^e +- +not tried/m);
  });
});

describe('ccli agents update', () => {
  test('says whether tasks may go over SSH, or leaves that to the coordinator again', async () => {
    const { agents, updated } = await fleet();
    await agents('update', 'walnut-gemini', '--ssh-fallback', 'only');
    await agents('update', 'walnut-gemini', '--reset', 'ssh_fallback');
    expect(updated).toEqual([
      { agent_id: 'walnut-gemini', ssh_fallback: 'only' },
      { agent_id: 'walnut-gemini', ssh_fallback: null },
    ]);
    const { code, err } = await agents('update', 'walnut-gemini', '--ssh-fallback', 'sometimes');
    expect(code).toBe(2);
    expect(err).toContain('off, on, only');
  });

  test('changes what is named, and gives back what is reset', async () => {
    const { agents, updated } = await fleet();
    const { code, out } = await agents(
      ...['update', 'walnut-gemini', '--priority', '10', '--specialty', 'tester', '--node', 'walnut'],
      ...['--reset', 'labels', '--reset', 'expected_version'],
    );
    expect({ code, out }).toEqual({
      code: 0,
      out: 'updated walnut-gemini of walnut: ready, 2 slots, at cli://walnut\n',
    });
    expect(updated).toEqual([
      {
        agent_id: 'walnut-gemini',
        node: 'walnut',
        priority: 10,
        specialty: ['tester'],
        labels: null,
        expected_version: null,
      },
    ]);
  });

  test.each<[string, string[], string]>([
    ['nothing to change', [], 'Nothing to change was named'],
    ['a field both set and reset', ['--priority', '1', '--reset', 'priority'], 'not both at once'],
    ['to reset what is no field', ['--reset', 'model'], 'max_concurrent'],
  ])('refuses %s', async (_, args, says) => {
    const { code, err } = await (await fleet()).agents('update', 'a', ...args);
    expect(code).toBe(2);
    expect(err).toContain(says);
  });

  test('enable and disable are changes too', async () => {
    const { agents, updated } = await fleet();
    expect((await agents('disable', 'walnut-gemini')).out).toBe(
      'disabled walnut-gemini of walnut: disabled, 2 slots, at cli://walnut\n',
    );
    expect((await agents('enable', 'walnut-gemini', '--node', 'walnut')).out).toMatch(/^enabled walnut/);
    expect(updated).toEqual([
      { agent_id: 'walnut-gemini', enabled: false },
      { agent_id: 'walnut-gemini', node: 'walnut', enabled: true },
    ]);
  });

  test('of an agent that is only discovered tells how to disable it', async () => {
    const { agents } = await fleet({
      update: () => Promise.reject(new CcliError('agent_not_registered', 'It is in no registration.')),
    });
    const { code, err } = await agents('disable', 'x', '--node', 'walnut');
    expect(code).toBe(5);
    expect(err).toContain('`ccli agents register x --node walnut --disabled --no-canary`');
    expect((await agents('enable', 'x')).err).toBe('error agent_not_registered: It is in no registration.\n');
  });

  test('that keeps the agent from work says so', async () => {
    const message = 'Found 0.61.0, pinned to ^0.62.0.';
    const problem = { code: 'version_mismatch', message, retryable: false } as const;
    const { agents } = await fleet({
      update: () => Promise.resolve({ agent: view({ health: 'unavailable', available: false, problem }) }),
    });
    const { code, out, err } = await agents('update', 'walnut-gemini', '--expected-version', '^0.62.0');
    expect(code).toBe(0);
    expect(out).toMatch(/^updated walnut-gemini of walnut: version_mismatch, /);
    expect(err).toBe(`It takes no work: ${message}\n`);
  });

  test('of an ambiguous id says so', async () => {
    const { agents } = await fleet({
      update: () => Promise.reject(new CcliError('invalid_request', 'Nodes a and b have it; add --node.')),
    });
    expect(await agents('enable', 'x')).toEqual({
      code: 2,
      out: '',
      err: 'error invalid_request: Nodes a and b have it; add --node.\n',
    });
  });
});

test('ccli agents remove says what was removed', async () => {
  const { agents } = await fleet({
    remove: ({ node = 'walnut' }) => Promise.resolve({ removed: true, node }),
  });
  expect((await agents('remove', 'ash-llama3')).out).toBe('removed ash-llama3 of walnut from the registry\n');
});

describe('ccli agents test', () => {
  test('shows the agent, and that it is well', async () => {
    const asked: OperationRequest<'test'>[] = [];
    const { agents } = await fleet({
      test: request => {
        asked.push(request);
        return Promise.resolve({ ok: true, agent: view(), took_ms: 1_234 });
      },
    });
    const { code, out, err } = await agents('test', 'walnut-gemini');
    expect(code).toBe(0);
    expect(out).toMatch(/^walnut-gemini of walnut: .*\nok: it answered a short prompt, in 1\.2 s\n$/);
    expect(err).toBe('looking at walnut-gemini through its node, with a short prompt\n');
    const looked = await agents('test', 'walnut-gemini', '--no-canary', '--node', 'walnut', '-q');
    expect(looked.out).toContain('ok: it was looked at, and not asked anything');
    expect(asked).toEqual([
      { agent_id: 'walnut-gemini', canary: true },
      { agent_id: 'walnut-gemini', canary: false, node: 'walnut' },
    ]);
  });

  test('exits as what it found would have made a task exit', async () => {
    const problem = {
      code: 'cli_not_signed_in',
      message: 'Sign in.',
      retryable: false,
      cause: 'no key',
    } as const;
    const { agents } = await fleet({
      test: () => Promise.resolve({ ok: false, agent: view(), problem, took_ms: 3 }),
    });
    const { code, out } = await agents('test', 'walnut-gemini', '-q');
    expect(code).toBe(7);
    expect(out).toMatch(/\ncli_not_signed_in: Sign in\.\ncause: no key\n$/);
    const json = await agents('test', 'walnut-gemini', '--json');
    expect(json.code).toBe(7);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problem });
  });

  test('of one that is not there exits 3', async () => {
    const { agents } = await fleet({ test: () => Promise.reject(new CcliError('agent_unknown')) });
    expect(await agents('test', 'nobody', '-q')).toMatchObject({ code: 3, out: '' });
  });
});

describe('ccli agents verify', () => {
  const reply = (passed: boolean) => ({
    agent_id: 'walnut-gemini',
    node: 'walnut',
    cli_version: '0.61.0',
    passed,
    checks: [
      { check: 'prompt', outcome: 'passed', detail: 'it answered "4"', took_ms: 1_200 } as const,
      passed
        ? ({ check: 'json', outcome: 'skipped', detail: 'no model service', took_ms: 0 } as const)
        : ({
            check: 'cancel',
            outcome: 'failed',
            detail: 'it went on.',
            error: { code: 'cli_silent', message: 'No end.', retryable: true },
            took_ms: 30_000,
          } as const),
    ],
  });

  test('shows each check, and how to pin the version that passed', async () => {
    let asked: OperationRequest<'verify'> | undefined;
    const { agents } = await fleet({
      verify: request => {
        asked = request;
        return Promise.resolve(reply(true));
      },
    });
    expect(await agents('verify', 'walnut-gemini', '--command', '/opt/gemini', '-q')).toEqual({
      code: 0,
      out: `CHECK    OUTCOME   TIME    DETAIL
prompt   passed    1.2 s   it answered "4"
json     skipped   0 ms    no model service
walnut-gemini 0.61.0 on walnut passes
`,
      err: 'Pin it with `ccli agents update walnut-gemini --expected-version 0.61.0`.\n',
    });
    expect(asked).toEqual({ agent_id: 'walnut-gemini', command: '/opt/gemini' });
  });

  test('ends with 1 when a check has failed, and tells its error', async () => {
    const { agents } = await fleet({ verify: () => Promise.resolve(reply(false)) });
    const { code, out, err } = await agents('verify', 'walnut-gemini');
    expect(code).toBe(1);
    expect(out).toContain(
      'cancel   failed    30.0 s   it went on. (cli_silent)\ncancel: it went on. No end.\n',
    );
    expect(out).toContain('walnut-gemini 0.61.0 on walnut does not pass\n');
    expect(err).toBe('verifying walnut-gemini: prompt, stream, cancel, error, JSON\n');
    expect(JSON.parse((await agents('verify', 'walnut-gemini', '--json')).out)).toEqual(reply(false));
  });
});

test('ccli agents registration switches it, or only tells', async () => {
  const asked: unknown[] = [];
  const { agents } = await fleet({
    registration: request => {
      asked.push(request);
      return Promise.resolve({ open: request.open ?? true });
    },
  });
  expect((await agents('registration', 'off')).out).toMatch(/^registration is off: /);
  expect((await agents('registration', 'on')).out).toBe('registration is on\n');
  expect((await agents('registration', 'status')).out).toBe('registration is on\n');
  expect(asked).toEqual([{ open: false }, { open: true }, {}]);
  expect((await agents('registration', 'maybe')).code).toBe(2);
});
