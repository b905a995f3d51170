import { expect, onTestFinished, test, vi } from 'vitest';
import { type Agent, createAgent } from '../../node-agent/agent.ts';
import type { RestoredCooldown } from '../../node-agent/cooldown-file.ts';
import type { Driver } from '../../node-agent/drivers/driver.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readAgent } from './drivers/fixture.ts';

const nothing = (): void => undefined;
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };
const { signal } = new AbortController();

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
  const config = await readAgent(await temporaryDirectory(), {}, {});
  const agent = createAgent({
    config,
    driver,
    log,
    signal: ending(),
    restored,
    cooldowns: {
      save: cooldown => {
        saved.push(cooldown);
        return save?.() ?? Promise.resolve();
      },
    },
    onChange: () => {
      changes += 1;
    },
    clock: () => now,
  });
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
  agent.distrust(new CcliError('auth_refused'));
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

test('a run that succeeds after a refused key makes the agent ready at once', async () => {
  const { agent } = await wellAgent();
  agent.distrust(new CcliError('auth_refused'));
  agent.trust();
  expect(agent.status()).toMatchObject({ health: 'ready', signed_in: 'yes' });
  await agent.probe(signal);
  expect(agent.status().health).toBe('ready');
});

test('any other fault is over as soon as a probe finds nothing wrong', async () => {
  const { agent } = await wellAgent();
  agent.distrust(new CcliError('cli_missing'));
  agent.trust();
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
  const learned = agent.learn(new CcliError('rate_limited', undefined, { retry_after_ms: 30_000 }));
  expect(agent.status()).toMatchObject({
    health: 'ready',
    cooldown_ms: 30_000,
    cooldown_code: 'rate_limited',
  });
  await learned;
  expect(saved).toEqual([{ code: 'rate_limited', remaining_ms: 30_000 }]);
  pass(10_000);
  await agent.learn(undefined);
  await agent.learn(new CcliError('rate_limited', undefined, { retry_after_ms: 5_000 }));
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
  await agent.learn(new CcliError('model_unavailable'));
  expect(agent.status()).toMatchObject({ cooldown_ms: 2_000, cooldown_code: 'model_unavailable' });
});

test('the end of a cooldown is told when it comes, and not before', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { agent, pass, changes } = await wellAgent();
  await agent.learn(new CcliError('rate_limited', undefined, { retry_after_ms: 1_000 }));
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
