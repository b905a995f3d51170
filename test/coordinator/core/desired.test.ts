import { describe, expect, test } from 'vitest';
import { assess } from '../../../coordinator/core/assess.ts';
import {
  type Desired,
  type NodeStanding,
  type Overlay,
  withDesired,
} from '../../../coordinator/core/desired.ts';
import { type Candidate, fitOf } from '../../../coordinator/core/placement.ts';
import type { ErrorBody } from '../../../protocol/errors.ts';
import type { AgentRegistration, SshFallback } from '../../../protocol/registration.ts';
import { agentKey } from '../../../protocol/subjects.ts';
import { advertisedAgent } from '../../support/candidate.ts';

const registered = (agent_id: string, over: Partial<AgentRegistration> = {}): AgentRegistration => ({
  v: 1,
  node: 'walnut',
  agent_id,
  agent_type: 'cli_gemini',
  registered_at_ms: 1,
  canary: 'passed',
  ...over,
});

const llama = (over: Partial<AgentRegistration> = {}): AgentRegistration =>
  registered('walnut-llama3', {
    agent_type: 'ollama',
    ollama: { endpoint: 'http://walnut:11434', model: 'llama3' },
    ...over,
  });

const desiredOf = (...records: AgentRegistration[]): Desired => ({
  revision: 7,
  records: new Map(records.map(record => [agentKey(record.node, record.agent_id), record])),
  unreadable: new Map(),
});

const walnut: NodeStanding = {
  node: 'walnut',
  instance_id: 'one',
  alive: true,
  contested: false,
  draining: false,
  full: false,
  config_revision: 7,
  ollama_endpoints: ['http://walnut:11434'],
};

const over = (desired: Desired, more: Partial<Overlay> = {}): Overlay => ({
  desired,
  discovered: 'deny',
  refused: new Map(),
  ...more,
});

const only = (candidates: readonly Candidate[]): Candidate => {
  const [first, second] = candidates;
  if (first === undefined || second !== undefined) throw new Error(`${candidates.length} candidates`);
  return first;
};

describe('the way to an agent', () => {
  const gemini = advertisedAgent({ agent_id: 'walnut-gemini' });
  const by_line = { ...walnut, transport: 'ssh', lined: true } as const;
  const shown = (standing: NodeStanding, over_file?: SshFallback, registered_as?: SshFallback): Candidate => {
    const records =
      registered_as === undefined ? [] : [registered('walnut-gemini', { ssh_fallback: registered_as })];
    const ssh_fallback = new Map(over_file === undefined ? [] : [['walnut', over_file] as const]);
    return only(
      withDesired([gemini], [standing], over(desiredOf(...records), { discovered: 'allow', ssh_fallback })),
    );
  };
  const fit = (candidate: Candidate) => fitOf(candidate, { options: {}, prompt_bytes: 1 });

  test('is nothing to speak of where no SSH is set up', () => {
    expect(shown(walnut)).not.toHaveProperty('transport');
    expect(shown(walnut)).not.toHaveProperty('ssh_fallback');
  });

  test('is the one to its node, under the policy of the coordinator’s file or of its registration', () => {
    expect(shown(by_line, 'on')).toMatchObject({ transport: 'ssh', ssh_fallback: 'on' });
    expect(shown(walnut, 'on')).not.toHaveProperty('transport');
    expect(shown(by_line, 'on', 'off')).toMatchObject({ ssh_fallback: 'off' });
    expect(shown(by_line, 'off', 'on')).toMatchObject({ ssh_fallback: 'on' });
  });

  test('keeps tasks from it that its policy keeps from SSH, and says how to allow it', () => {
    expect(fit(shown(walnut, 'off'))).toEqual({ fit: 'free' });
    const barred = fit(shown(by_line, 'off'));
    expect(barred).toMatchObject({ fit: 'away', why: { code: 'ssh_not_allowed', retryable: true } });
    expect(JSON.stringify(barred)).toContain('ccli agents update walnut-gemini --ssh-fallback on');
  });

  test('leads over a line alone for a policy of only, whether or not NATS is there', () => {
    expect(shown({ ...walnut, lined: true }, 'only')).toMatchObject({ transport: 'ssh' });
    expect(fit(shown({ ...walnut, lined: true }, 'only'))).toEqual({ fit: 'free' });
    for (const standing of [walnut, { ...walnut, transport: 'ssh' } as const]) {
      const barred = fit(shown(standing, 'only'));
      expect(barred).toMatchObject({ fit: 'away', why: { code: 'ssh_not_allowed' } });
      expect(JSON.stringify(barred)).toContain('ssh.hosts.walnut');
    }
  });

  test('is told of a registered agent that no advert names as well', () => {
    const standing = { ...by_line, ollama_endpoints: [] };
    const [absent] = withDesired([], [standing], over(desiredOf(llama({ ssh_fallback: 'on' }))));
    expect(absent).toMatchObject({ absent: true, transport: 'ssh', ssh_fallback: 'on' });
  });
});

describe('an agent that its node advertises', () => {
  const gemini = advertisedAgent({ agent_id: 'walnut-gemini', max_concurrent: 4, priority: 1 });
  const shown = (overlay: Overlay): Candidate => only(withDesired([gemini], [walnut], overlay));

  test('and nobody has registered is discovered, and takes work only where the fleet says so', () => {
    expect(shown(over(desiredOf()))).toMatchObject({ registration: 'discovered', allowed: false });
    expect(shown(over(desiredOf(), { discovered: 'allow' }))).toMatchObject({
      registration: 'discovered',
      allowed: true,
    });
  });

  test('takes work once it is registered, as its node offers it', () => {
    expect(shown(over(desiredOf(registered('walnut-gemini'))))).toEqual({
      ...gemini,
      registration: 'registered',
      allowed: true,
    });
  });

  test('is not taken for registered when that is another node’s', () => {
    const elsewhere = registered('walnut-gemini', { node: 'ironwood' });
    const [first] = withDesired([gemini], [walnut], over(desiredOf(elsewhere)));
    expect(first).toMatchObject({ node: 'walnut', registration: 'discovered' });
  });

  test('has what was asked of it before its node has heard of that', () => {
    const record = registered('walnut-gemini', {
      enabled: false,
      max_concurrent: 2,
      priority: 9,
      specialty: ['profiler'],
      labels: { room: 'b' },
      expected_version: '0.61.0',
    });
    expect(
      only(withDesired([gemini], [{ ...walnut, config_revision: 0 }], over(desiredOf(record)))).status,
    ).toMatchObject({
      enabled: false,
      max_concurrent: 2,
      priority: 9,
      specialty: ['profiler'],
      labels: { room: 'b' },
      expected_version: '0.61.0',
    });
  });

  test('is kept from work between its pin and the node’s word that it knows of that', () => {
    const overlay = over(desiredOf(registered('walnut-gemini', { expected_version: '0.61.0' })));
    const with_version = (expected_version?: string, health: 'ready' | 'unavailable' = 'ready') =>
      only(
        withDesired(
          [
            advertisedAgent({
              agent_id: 'walnut-gemini',
              cli_version: '0.60.0',
              health,
              ...(expected_version !== undefined && { expected_version }),
            }),
          ],
          [walnut],
          overlay,
        ),
      ).status;
    for (const before of [undefined, '0.60.0'])
      expect(with_version(before)).toMatchObject({
        health: 'starting',
        expected_version: '0.61.0',
        problem: { code: 'agent_starting', message: expect.stringContaining('pinned to 0.61.0') as string },
      });
    expect(with_version('0.61.0').health).toBe('ready');
    expect(with_version(undefined, 'unavailable').health).toBe('unavailable');
  });

  test('is kept from work for good when its node refuses the entry that pins it', () => {
    const problem: ErrorBody = { code: 'not_permitted', message: 'Too many labels.', retryable: false };
    const overlay = over(desiredOf(registered('walnut-gemini', { expected_version: '0.61.0' })), {
      refused: new Map([['walnut.walnut-gemini', problem]]),
    });
    expect(shown(overlay).status).toMatchObject({ health: 'unavailable', problem });
  });

  test('is neither enabled nor given more slots before its node says so', () => {
    const narrow = advertisedAgent({ agent_id: 'walnut-gemini', max_concurrent: 1, enabled: false });
    const record = registered('walnut-gemini', { enabled: true, max_concurrent: 8 });
    const { status } = only(withDesired([narrow], [walnut], over(desiredOf(record))));
    expect(status).toMatchObject({ enabled: false, max_concurrent: 1 });
  });

  test('takes nothing while its registration cannot be read: it may say that it is disabled', () => {
    const problem = { code: 'unsupported_version', message: 'It is newer.', retryable: false } as const;
    const desired = { ...desiredOf(), unreadable: new Map([['walnut.walnut-gemini', problem]]) };
    expect(shown(over(desired))).toMatchObject({
      registration: 'registered',
      status: { health: 'unavailable', problem },
    });
  });

  test('shows why its node refused its settings', () => {
    const refusal = { code: 'not_permitted', message: 'No.', retryable: false } as const;
    const refused = new Map([['walnut.walnut-gemini', refusal]]);
    expect(shown(over(desiredOf(registered('walnut-gemini')), { refused })).status).toMatchObject({
      health: 'ready',
      problem: refusal,
    });
  });
});

describe('a registered agent that no advert names', () => {
  const shown = (record: AgentRegistration, standings: NodeStanding[], more: Partial<Overlay> = {}) =>
    only(withDesired([], standings, over(desiredOf(record), more)));

  test('is there, and cannot be reached, while its node is silent or was never heard of', () => {
    const silent = shown(llama(), [{ ...walnut, alive: false }]);
    expect(silent).toMatchObject({ alive: false, status: { health: 'unavailable' } });
    expect(silent.status.problem?.message).toBe(
      'Node walnut, on which walnut-llama3 is registered, is silent.',
    );
    expect(shown(llama(), []).status.problem).toMatchObject({
      code: 'node_lost',
      message: 'Node walnut, on which walnut-llama3 is registered, has not been heard of.',
    });
  });

  test('is about to start while its node has not taken the registry up', () => {
    const { status, alive } = shown(llama(), [{ ...walnut, config_revision: 6 }]);
    expect({ alive, health: status.health, code: status.problem?.code }).toEqual({
      alive: true,
      health: 'starting',
      code: 'agent_starting',
    });
    expect(status).toMatchObject({ model: 'llama3', models: ['llama3'], endpoint: 'http://walnut:11434' });
  });

  test('says which setting of the node’s file stands in its way', () => {
    const { problem } = shown(llama(), [{ ...walnut, ollama_endpoints: [] }]).status;
    expect(problem).toMatchObject({ code: 'not_permitted' });
    expect(problem?.message).toContain('permit.ollama.endpoints');
  });

  test('refuses the task that only it could take, with what stands in its way', () => {
    const demand = { options: { agent_id: 'walnut-llama3' }, prompt_bytes: 1 };
    const candidate = shown(llama(), [{ ...walnut, ollama_endpoints: [] }]);
    expect(assess(demand, [candidate])).toMatchObject({
      verdict: 'refuse',
      error: { code: 'not_permitted' },
    });
    const fresh = shown(llama(), [{ ...walnut, config_revision: 6 }]);
    expect(assess(demand, [fresh])).toEqual({ verdict: 'undecided' });
  });

  test('is nobody that a chain waits for', () => {
    const fresh = shown(llama(), [{ ...walnut, config_revision: 6 }]);
    const options = { fallback: ['ollama', 'cli_gemini'] };
    const fit = fitOf(fresh, { options, prompt_bytes: 1, chain: options.fallback });
    expect(fit).toMatchObject({ fit: 'away', why: { code: 'agent_starting' } });
    expect('why' in fit && fit.why.message).toContain('not taken up the registration');
  });

  test('shows the refusal of its node', () => {
    const refusal = { code: 'not_permitted', message: '2 slots at most.', retryable: false } as const;
    const refused = new Map([['walnut.walnut-llama3', refusal]]);
    expect(shown(llama(), [walnut], { refused }).status.problem).toEqual(refusal);
    expect(shown(llama(), [walnut]).status.problem?.message).toContain('log of the leading coordinator');
  });

  test('is missed in the node’s file when it is a CLI', () => {
    const { problem } = shown(registered('walnut-gemini'), [walnut]).status;
    expect(problem).toMatchObject({ code: 'agent_unknown' });
    expect(problem?.message).toContain('take it out of the registry');
  });
});
