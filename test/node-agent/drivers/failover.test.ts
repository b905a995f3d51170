/** What an agent does when its warm process keeps failing. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BREAKER_LIMITS } from '../../../node-agent/core/breaker.ts';
import { root } from '../../support/built.ts';
import { startGeminiStub } from '../../support/gemini-stub.ts';
import { runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ask, type Fixture, failure, makeDriver, pids } from './fixture.ts';

const never = new AbortController().signal;
const soon = { ...BREAKER_LIMITS, pause_ms: 1_000, max_pause_ms: 1_000 };
const tool = (name: string): string => join(root, 'test/support/tools', name);

const obedient = (...args: string[]) => ({
  agent_type: 'cli_generic',
  driver: 'acp',
  command: tool('acp-agent.mjs'),
  args: ['obey', ...args],
  cwd: root,
});

async function gemini(options: Parameters<typeof makeDriver>[0] = {}): Promise<Fixture> {
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  return makeDriver({ ...options, environment: stub.environment });
}

/** Has the warm process of an agent that does nothing die so often, each time once it is up. */
async function killTimes(fixture: Fixture, times: number): Promise<void> {
  const before = pids(fixture).length;
  for (let count = 0; count < times; count += 1) {
    const pid = await waitFor(() => fixture.driver.warm && pids(fixture)[before - 1 + count]);
    process.kill(pid, 'SIGKILL');
    await waitFor(() => ended(fixture) === before + count);
  }
}
const ended = ({ events }: Fixture): number => events.filter(({ event }) => event === 'cli_ended').length;

describe('a gemini whose warm process keeps dying', () => {
  it('answers cold meanwhile, and says so', async () => {
    const fixture = await gemini();
    const { driver } = fixture;
    await driver.probe(never);
    expect(driver.standingIn).toBeUndefined();
    await killTimes(fixture, 3);
    expect(driver.standingIn).toBe('headless');
    expect(driver.warm).toBe(false);
    expect(driver.problem).toBeUndefined();
    expect(await driver.probe(never)).toMatchObject({ signed_in: 'yes', cli_version: '0.61.0' });
    expect(await ask(driver, 'hello')).toMatchObject({ text: 'echo: hello', warm: false });
    expect(pids(fixture)).toHaveLength(3);
  });

  it('goes back to it when a trial of it succeeds', async () => {
    const fixture = await gemini({ breaker: soon });
    const { driver } = fixture;
    await driver.probe(never);
    await killTimes(fixture, 3);
    await waitFor(() => driver.standingIn === undefined && driver.warm);
    expect(await ask(driver, 'warm again')).toMatchObject({ text: 'echo: warm again', warm: true });
  });

  it('loses no task when the process does not even start', async () => {
    const fixture = await gemini({ agent: { command: tool('gemini-cold-only.mjs') } });
    expect(await ask(fixture.driver, 'hello')).toMatchObject({ text: 'echo: hello', warm: false });
    expect(fixture.driver.standingIn).toBe('headless');
    expect(pids(fixture)).toEqual([]);
  });

  it('is not taken for one when it is not signed in', async () => {
    const { driver } = await makeDriver({
      agent: { command: tool('gemini-exit.mjs'), env: { EXIT: '41' } },
      environment: { GEMINI_API_KEY: 'key' },
    });
    for (let count = 0; count < 4; count += 1)
      expect((await failure(driver.probe(never))).code).toBe('cli_not_signed_in');
    expect(driver.standingIn).toBeUndefined();
  });
});

describe('a task that is to run cold', () => {
  it('gets a gemini of its own, beside the warm one', async () => {
    const fixture = await gemini();
    const { driver } = fixture;
    await driver.probe(never);
    expect(driver.warm).toBe(true);
    expect(await ask(driver, 'hello', { cold: true })).toMatchObject({ text: 'echo: hello', warm: false });
    expect(await ask(driver, 'hello')).toMatchObject({ text: 'echo: hello', warm: true });
    expect(pids(fixture)).toHaveLength(1);
  });

  it('gets a process of its own where a CLI has no other mode, which is gone afterwards', async () => {
    const fixture = await makeDriver({ agent: obedient() });
    const { driver } = fixture;
    await driver.probe(never);
    const [warm] = pids(fixture);
    const answers = [await ask(driver, 'hello', { cold: true }), await ask(driver, 'hello', { cold: true })];
    expect(answers.map(answer => answer.warm)).toEqual([false, false]);
    const [, ...own] = pids(fixture);
    expect(answers.map(({ text }) => text)).toEqual(own.map(pid => `hello by ${pid}`));
    expect(own.some(pid => runs(pid))).toBe(false);
    expect((await ask(driver, 'hello')).text).toBe(`hello by ${warm ?? ''}`);
  });
});

describe('a CLI with no other mode that keeps crashing', () => {
  it('fails its tasks at once by a code, and the probe tells it', async () => {
    const fixture = await makeDriver({ agent: obedient() });
    const { driver } = fixture;
    for (let count = 0; count < 3; count += 1)
      expect((await failure(ask(driver, 'crash 3'))).code).toBe('cli_crashed');
    await waitFor(() => driver.problem);
    expect(driver.problem?.code).toBe('cli_crashed');
    const refused = await failure(ask(driver, 'hello'));
    expect(refused).toMatchObject({ code: 'cli_crashed', retryable: true });
    expect(refused.message).toContain('keeps crashing');
    expect(refused.retry_after_ms).toBeGreaterThan(0);
    expect((await failure(driver.probe(never))).message).toContain('keeps crashing');
    expect(driver.standingIn).toBeUndefined();
    expect(pids(fixture)).toHaveLength(3);
  });

  it('is tried again in the background until it works', async () => {
    const broken = join(await temporaryDirectory(), 'broken');
    const fixture = await makeDriver({ agent: obedient(broken), breaker: soon });
    const { driver, events } = fixture;
    await writeFile(broken, '');
    expect((await failure(ask(driver, 'hello'))).message).toContain('exit code 3');
    const aside = (): number => events.filter(({ event }) => event === 'cli_set_aside').length;
    await waitFor(() => aside() >= 3);
    await rm(broken);
    await waitFor(() => driver.problem === undefined && driver.warm);
    expect((await ask(driver, 'hello')).text).toMatch(/^hello by/);
  });

  it('that was taken back is given up again at its first crash, unless it has done something since', async () => {
    const fixture = await makeDriver({ agent: obedient(), breaker: soon });
    const { driver } = fixture;
    const back = () => waitFor(() => driver.problem === undefined && driver.warm);
    await driver.probe(never);
    await killTimes(fixture, 3);
    expect(driver.problem).toBeDefined();
    await back();
    await killTimes(fixture, 1);
    expect(driver.problem).toBeDefined();
    await back();
    await ask(driver, 'hello');
    await killTimes(fixture, 2);
    expect(driver.problem).toBeUndefined();
    await back();
    await killTimes(fixture, 1);
    expect(driver.problem).toBeDefined();
  });

  it('is not given up while tasks succeed in between', async () => {
    const { driver } = await makeDriver({ agent: obedient() });
    for (let count = 0; count < 5; count += 1) {
      expect((await failure(ask(driver, 'crash 3'))).code).toBe('cli_crashed');
      expect((await ask(driver, 'hello')).text).toMatch(/^hello by/);
    }
  });
});
