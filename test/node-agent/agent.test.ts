import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Agent, createAgent } from '../../node-agent/agent.ts';
import type { AgentConfig } from '../../node-agent/agent-config/agent.ts';
import { OllamaAgentConfigSchema } from '../../node-agent/agent-config/ollama.ts';
import type { RestoredCooldown } from '../../node-agent/cooldown-file.ts';
import { createCooling } from '../../node-agent/cooling.ts';
import type { Driver } from '../../node-agent/drivers/driver.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readAgent } from './drivers/fixture.ts';

const nothing = (): void => undefined;
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };
const { signal } = new AbortController();

const succeeded = { run_ms: 10 };
const failed = (failure: CcliError) => ({ failure, run_ms: 10 });

/** Aborts when the test is over. */
function ending(): AbortSignal {
  const controller = new AbortController();
  onTestFinished(() => {
    controller.abort();
  });
  return controller.signal;
}

interface Given {
  readonly cli_version?: string;
  readonly restored?: RestoredCooldown;
  readonly driver?: Partial<Driver>;
  readonly save?: () => Promise<void>;
  readonly config?: AgentConfig;
  readonly log?: Log;
}

interface WellAgent {
  readonly agent: Agent;
  readonly pass: (ms: number) => void;
  readonly saved: RestoredCooldown[];
  /** How often something has changed. */
  readonly changes: () => number;
}

/** An agent whose every probe finds nothing wrong. */
async function wellAgent({
  cli_version = '1.0.0',
  restored,
  driver: over,
  save,
  config,
  log: to = log,
}: Given = {}): Promise<WellAgent> {
  const driver: Driver = {
    warm: true,
    probe: () => Promise.resolve({ cli_version, signed_in: 'yes' }),
    run: () => Promise.reject(new CcliError('internal')),
    close: () => Promise.resolve(),
    ...over,
  };
  const saved: RestoredCooldown[] = [];
  let changes = 0;
  let now = 0;
  const told = {
    log: to,
    onChange: () => {
      changes += 1;
    },
    clock: () => now,
  };
  const cooling = createCooling({
    ...told,
    agent_id: 'one',
    signal: ending(),
    restored,
    cooldowns: {
      save: cooldown => {
        saved.push(cooldown);
        return save?.() ?? Promise.resolve();
      },
    },
  });
  const read = config ?? (await readAgent(await temporaryDirectory(), {}, {}));
  const agent = createAgent({ ...told, config: read, driver, cooling });
  await agent.probe(signal);
  return {
    agent,
    saved,
    changes: () => changes,
    pass: ms => {
      now += ms;
    },
  };
}

test('an agent whose key was refused takes no tasks for a minute, whatever a probe finds', async () => {
  const { agent, pass } = await wellAgent();
  expect(agent.status()).toMatchObject({ health: 'ready', signed_in: 'yes' });
  await agent.learn(failed(new CcliError('auth_refused')));
  pass(59_999);
  await agent.probe(signal);
  expect(agent.status()).toMatchObject({
    health: 'unavailable',
    signed_in: 'no',
    problem: { code: 'auth_refused' },
  });
  pass(1);
  await agent.probe(signal);
  expect(agent.status()).toMatchObject({ health: 'ready', signed_in: 'yes' });
});

test.each(['auth_refused', 'cli_not_signed_in', 'cli_missing'] as const)(
  'what a tool said when a run failed with %s is shown to nobody but its caller',
  async code => {
    const logged: unknown[] = [];
    const note = (...entry: unknown[]): void => {
      logged.push(entry);
    };
    const { agent } = await wellAgent({
      log: { debug: note, info: note, warn: note, error: note, child: () => log },
    });
    const said = 'you asked: my secret';
    const message = code === 'auth_refused' ? `The key was refused: ${said}` : undefined;
    await agent.learn(failed(new CcliError(code, message, { cause: new Error(said) })));
    expect(agent.status()).toMatchObject({ health: 'unavailable', problem: { code } });
    expect(JSON.stringify([agent.status(), logged])).not.toContain('secret');
  },
);

test('why a probe failed is shown with its cause', async () => {
  const broken = new CcliError('cli_missing', 'gone', { cause: new Error('ENOENT') });
  const { agent } = await wellAgent({ driver: { probe: () => Promise.reject(broken) } });
  await agent.probe(signal);
  expect(agent.status().problem).toMatchObject({ message: 'gone', cause: 'ENOENT' });
});

test('a run that succeeds after a refused key makes the agent ready at once', async () => {
  const { agent } = await wellAgent();
  await agent.learn(failed(new CcliError('auth_refused')));
  await agent.learn(succeeded);
  expect(agent.status()).toMatchObject({ health: 'ready', signed_in: 'yes' });
  await agent.probe(signal);
  expect(agent.status().health).toBe('ready');
});

test('any other fault is over as soon as a probe finds nothing wrong', async () => {
  const { agent } = await wellAgent();
  await agent.learn(failed(new CcliError('cli_missing')));
  await agent.learn(succeeded);
  expect(agent.status()).toMatchObject({ health: 'unavailable', problem: { code: 'cli_missing' } });
  await agent.probe(signal);
  expect(agent.status().health).toBe('ready');
});

test('a version too long for the wire is cut', async () => {
  const { agent } = await wellAgent({ cli_version: '1'.repeat(300) });
  expect(agent.status().cli_version).toBe('1'.repeat(255));
});

test('an agent whose service asks for a pause cools down at once, and what remains is kept and counts down', async () => {
  const { agent, pass, saved } = await wellAgent();
  const learned = agent.learn(failed(new CcliError('rate_limited', undefined, { retry_after_ms: 30_000 })));
  expect(agent.status()).toMatchObject({
    health: 'ready',
    cooldown_ms: 30_000,
    cooldown_code: 'rate_limited',
  });
  await learned;
  expect(saved).toEqual([{ code: 'rate_limited', remaining_ms: 30_000 }]);
  pass(10_000);
  await agent.learn(succeeded);
  await agent.learn(failed(new CcliError('rate_limited', undefined, { retry_after_ms: 5_000 })));
  expect(agent.status().cooldown_ms).toBe(20_000);
  expect(saved).toHaveLength(1);
  pass(20_000);
  expect(agent.status().cooldown_ms).toBeUndefined();
  expect(agent.status().cooldown_code).toBeUndefined();
});

test('a cooldown of the last life goes on, and one that no disk takes holds all the same', async () => {
  const { agent, pass } = await wellAgent({
    restored: { code: 'quota_exhausted', remaining_ms: 5_000 },
    save: () => Promise.reject(new Error('ENOSPC')),
  });
  expect(agent.status()).toMatchObject({ cooldown_ms: 5_000, cooldown_code: 'quota_exhausted' });
  pass(5_000);
  expect(agent.status().cooldown_ms).toBeUndefined();
  await agent.learn(failed(new CcliError('model_unavailable')));
  expect(agent.status()).toMatchObject({ cooldown_ms: 2_000, cooldown_code: 'model_unavailable' });
});

test('the end of a cooldown is told when it comes, and not before', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { agent, pass, changes } = await wellAgent();
  await agent.learn(failed(new CcliError('rate_limited', undefined, { retry_after_ms: 1_000 })));
  const before = changes();
  // A timer that comes a little early by our own clock changes nothing.
  pass(999);
  vi.advanceTimersByTime(1_000);
  expect(changes()).toBe(before);
  pass(1);
  vi.advanceTimersByTime(1);
  expect(changes()).toBe(before + 1);
});

test('what a driver knows of its own trouble, and who stands in, shows without a probe', async () => {
  const problem = new CcliError('cli_crashed', 'It keeps crashing.', { retry_after_ms: 500 });
  const broken = await wellAgent({ driver: { problem } });
  expect(broken.agent.status()).toMatchObject({
    health: 'unavailable',
    problem: { code: 'cli_crashed', retry_after_ms: 500 },
  });
  const helped = await wellAgent({ driver: { standingIn: 'headless' } });
  expect(helped.agent.status()).toMatchObject({ health: 'ready', fallback_driver: 'headless' });
});

describe('an agent that is pinned to a version', () => {
  const found = (cli_version: string | undefined): Partial<Driver> => ({
    probe: () => Promise.resolve({ signed_in: 'yes', ...(cli_version !== undefined && { cli_version }) }),
  });

  test('takes no work with another one, and recovers when a probe finds the right one', async () => {
    const config = await readAgent(await temporaryDirectory(), { expected_version: '^0.62' }, {});
    let version = '0.61.0';
    const driver: Partial<Driver> = {
      probe: () => Promise.resolve({ signed_in: 'yes', cli_version: version }),
    };
    const { agent, changes } = await wellAgent({ config, driver });
    expect(agent.status()).toMatchObject({
      health: 'unavailable',
      problem: { code: 'version_mismatch', message: expect.stringContaining('0.61.0') as string },
      cli_version: '0.61.0',
      expected_version: '^0.62',
    });
    version = '0.62.3';
    const before = changes();
    await agent.probe(signal);
    expect(agent.status()).toMatchObject({ health: 'ready', cli_version: '0.62.3' });
    expect(changes()).toBeGreaterThan(before);
  });

  test('takes none while its version is not known', async () => {
    const { agent } = await wellAgent({ driver: found(undefined) });
    expect(agent.statusWith({ expected_version: '*' }).problem?.code).toBe('version_mismatch');
    expect(agent.status().health).toBe('ready');
  });

  test('by the registry is judged at once, and again when the pin changes', async () => {
    const { agent } = await wellAgent({ driver: found('1.2.3') });
    agent.apply({ expected_version: '^2' });
    expect(agent.status()).toMatchObject({ health: 'unavailable', expected_version: '^2' });
    agent.apply({ expected_version: '~1.2' });
    expect(agent.status().health).toBe('ready');
    agent.apply({});
    expect(agent.status().expected_version).toBeUndefined();
  });

  test('by its file as well as by the registry runs only what both allow', async () => {
    const config = await readAgent(await temporaryDirectory(), { expected_version: '^1' }, {});
    const { agent } = await wellAgent({ config, driver: found('1.5.0') });
    agent.apply({ expected_version: '*' });
    expect(agent.status()).toMatchObject({ health: 'ready', expected_version: '*' });
    agent.apply({ expected_version: '~1.4' });
    expect(agent.status()).toMatchObject({ health: 'unavailable', expected_version: '~1.4' });
    const newer = await wellAgent({ config, driver: found('2.0.0') });
    newer.agent.apply({ expected_version: '*' });
    expect(newer.agent.status()).toMatchObject({
      health: 'unavailable',
      expected_version: '^1',
      problem: { code: 'version_mismatch', message: expect.stringContaining('both must hold') as string },
    });
  });

  test('tells of what is wrong with its set-up first', async () => {
    const { agent } = await wellAgent({ driver: found('1.0.0') });
    agent.apply({ expected_version: '^2' });
    await agent.learn(failed(new CcliError('cli_missing')));
    expect(agent.status().problem?.code).toBe('cli_missing');
  });
});

describe('an Ollama agent', () => {
  const config = OllamaAgentConfigSchema.parse({
    id: 'llama',
    agent_type: 'ollama',
    model: 'llama3',
    endpoint: 'http://other:11434',
  });

  test.each(['endpoint_unreachable', 'model_not_found'] as const)(
    'whose run ends with %s takes nothing more until a probe finds it well',
    async code => {
      const { agent } = await wellAgent({ config });
      await agent.learn(failed(new CcliError(code)));
      expect(agent.status()).toMatchObject({ health: 'unavailable', problem: { code } });
      await agent.probe(signal);
      expect(agent.status().health).toBe('ready');
    },
  );

  test('is not blamed for a model that the task itself named, nor for a model that is full', async () => {
    const { agent } = await wellAgent({ config });
    await agent.learn({ ...failed(new CcliError('model_not_found')), own_model: true });
    await agent.learn(failed(new CcliError('out_of_memory')));
    expect(agent.status().health).toBe('ready');
  });

  test('shows where it is served, what is loaded there, and the memory of its GPUs', async () => {
    const gpu_memory = { total_bytes: 10, free_bytes: 4 };
    const probe = () =>
      Promise.resolve({
        signed_in: 'yes' as const,
        loaded_models: ['llama3:latest', 'x'.repeat(300)],
        gpu_memory,
      });
    const { agent } = await wellAgent({ config, driver: { probe } });
    expect(agent.status()).toMatchObject({
      endpoint: 'http://other:11434',
      model: 'llama3',
      loaded_models: ['llama3'],
      gpu_memory,
    });
  });
});

test('how the last runs went shows in the status, and what a task is to blame for does not', async () => {
  const { agent } = await wellAgent();
  expect(agent.status().recent).toBeUndefined();
  await agent.learn({ run_ms: 20, first_chunk_ms: 5 });
  await agent.learn(failed(new CcliError('cli_garbled')));
  await agent.learn(failed(new CcliError('cancelled')));
  expect(agent.status().recent).toEqual({ runs: 2, failed: 1, run_ms: 20, first_chunk_ms: 5 });
});
