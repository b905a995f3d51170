import { expect, test } from 'vitest';
import { type Agent, createAgent } from '../../node-agent/agent.ts';
import type { Driver } from '../../node-agent/drivers/driver.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readAgent } from './drivers/fixture.ts';

const nothing = (): void => undefined;
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };
const { signal } = new AbortController();

/** An agent whose every probe finds nothing wrong. */
async function wellAgent(cli_version = '1.0.0'): Promise<{ agent: Agent; pass: (ms: number) => void }> {
  const driver: Driver = {
    warm: true,
    probe: () => Promise.resolve({ cli_version, signed_in: 'yes' }),
    run: () => Promise.reject(new CcliError('internal')),
    close: () => Promise.resolve(),
  };
  let now = 0;
  const config = await readAgent(await temporaryDirectory(), {}, {});
  const agent = createAgent({ config, driver, log, onChange: nothing, clock: () => now });
  await agent.probe(signal);
  return {
    agent,
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
  const { agent } = await wellAgent('1'.repeat(300));
  expect(agent.status().cli_version).toBe('1'.repeat(255));
});
