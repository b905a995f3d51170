/** How a warm process is kept fit: replaced in time, watched, and given up when it is past help. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../support/built.ts';
import { runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ask, type Fixture, failure, makeDriver, pids } from './fixture.ts';

const never = new AbortController().signal;
const command = join(root, 'test/support/tools/acp-agent.mjs');
const often = '40ms';

const obedient = (agent: object = {}, ...args: string[]) => ({
  agent: {
    agent_type: 'cli_generic',
    driver: 'acp',
    command,
    args: ['obey', ...args],
    cwd: root,
    health_interval: often,
    ...agent,
  },
});

const started = (fixture: Fixture, count: number): Promise<number> =>
  waitFor(() => pids(fixture)[count - 1], { what: `start ${count}` });
const told = ({ events }: Fixture, event: string) => events.filter(one => one.event === event);

/** A file that a task waits for, and what makes it. */
async function makeGate(): Promise<{ file: string; open: () => Promise<void> }> {
  const file = join(await temporaryDirectory(), 'gate');
  return { file, open: () => writeFile(file, '') };
}

describe('a warm process', () => {
  it('is replaced when it is old, while nothing runs and with no moment without one', async () => {
    const fixture = await makeDriver(obedient({ max_age: '200ms' }));
    await fixture.driver.probe(never);
    const first = await started(fixture, 1);
    const warm: boolean[] = [];
    await waitFor(() => {
      warm.push(fixture.driver.warm);
      return !runs(first);
    });
    expect(new Set(warm)).toEqual(new Set([true]));
    expect((await ask(fixture.driver, 'hello')).warm).toBe(true);
    expect(told(fixture, 'cli_worn')[0]?.fields).toMatchObject({ reason: 'age', pid: first });
    expect(told(fixture, 'cli_ended')).toEqual([]);
  });

  it('is replaced when it has grown, and ends what it runs', async () => {
    const gate = await makeGate();
    const fixture = await makeDriver(obedient({ max_memory: '200MiB' }));
    const long = ask(fixture.driver, `gate ${gate.file}`);
    const { text } = await ask(fixture.driver, 'grow 180');
    const first = await started(fixture, 1);
    expect(text).toBe(`grow 180 by ${first}`);
    const second = await started(fixture, 2);
    expect((await ask(fixture.driver, 'hello')).text).toBe(`hello by ${second}`);
    expect(runs(first)).toBe(true);
    await gate.open();
    expect((await long).text).toContain(` by ${first}`);
    await waitFor(() => !runs(first));
    expect(told(fixture, 'cli_worn')[0]?.fields).toMatchObject({ reason: 'memory' });
    expect(told(fixture, 'cli_ended')).toEqual([]);
  });

  it('that has grown far too much is ended with its tasks, and with those of no other', async () => {
    const [other, own] = [await makeGate(), await makeGate()];
    const fixture = await makeDriver(obedient({ max_memory: '100MiB', max_sessions: 3 }));
    // Three sessions wear the first process: it keeps this task, the next ones go to another.
    const elsewhere = ask(fixture.driver, `gate ${other.file}`);
    await ask(fixture.driver, 'one');
    await ask(fixture.driver, 'two');
    const first = await started(fixture, 1);
    const second = await started(fixture, 2);
    const doomed = failure(ask(fixture.driver, `gate ${own.file}`));
    await ask(fixture.driver, 'grow 300');
    const error = await doomed;
    expect(error).toMatchObject({ code: 'cli_crashed', retryable: true });
    expect(error.message).toContain('max_memory');
    await waitFor(() => !runs(second));
    await other.open();
    expect((await elsewhere).text).toContain(` by ${first}`);
    expect((await ask(fixture.driver, 'hello')).text).toMatch(/^hello by/);
  });

  it('that stops answering while idle is replaced before a task meets it', async () => {
    const fixture = await makeDriver({ ...obedient(), patience_ms: 400 });
    await fixture.driver.probe(never);
    const first = await started(fixture, 1);
    process.kill(first, 'SIGSTOP');
    await started(fixture, 2);
    await waitFor(() => !runs(first));
    expect((await ask(fixture.driver, 'hello')).text).not.toContain(` by ${first}`);
    expect(told(fixture, 'cli_ended')[0]?.fields).toMatchObject({ pid: first, error_code: 'cli_crashed' });
  });

  it('that gets stuck at work loses its own tasks alone, and new ones go to its successor', async () => {
    const gate = await makeGate();
    const fixture = await makeDriver({ ...obedient({ max_sessions: 3 }), patience_ms: 400 });
    const elsewhere = ask(fixture.driver, `gate ${gate.file}`);
    await ask(fixture.driver, 'one');
    await ask(fixture.driver, 'two');
    const first = await started(fixture, 1);
    const second = await started(fixture, 2);
    const stuck = failure(ask(fixture.driver, 'freeze'));
    const third = await started(fixture, 3);
    expect((await ask(fixture.driver, 'hello')).text).toBe(`hello by ${third}`);
    expect(await stuck).toMatchObject({ code: 'cli_crashed', retryable: true });
    await waitFor(() => !runs(second));
    await gate.open();
    expect((await elsewhere).text).toContain(` by ${first}`);
  });

  it('that is too busy to answer, and works, is left in peace', async () => {
    const gate = await makeGate();
    const fixture = await makeDriver({ ...obedient(), patience_ms: 300 });
    let words = 0;
    const busy = ask(fixture.driver, `chatter ${gate.file}`, { onActivity: () => (words += 1) });
    await waitFor(() => words > 100);
    await gate.open();
    expect((await busy).text).toContain(' by ');
    expect(pids(fixture)).toHaveLength(1);
  });

  it('that never answers what it does not know is not asked in vain', async () => {
    const fixture = await makeDriver({ ...obedient({ args: ['shy'] }), patience_ms: 20 });
    for (let round = 0; round < 20; round += 1) {
      await ask(fixture.driver, `round ${round}`);
      await waitFor(() => fixture.driver.warm);
    }
    expect(pids(fixture)).toHaveLength(1);
  });

  it('stays in service while no successor starts, which is tried until one does', async () => {
    const directory = await temporaryDirectory();
    const broken = join(directory, 'broken');
    const fixture = await makeDriver(obedient({ max_sessions: 1, health_interval: '10ms' }, broken));
    await fixture.driver.probe(never);
    await writeFile(broken, '');
    const first = await started(fixture, 1);
    await ask(fixture.driver, 'one');
    await waitFor(() => told(fixture, 'cli_successor_failed').length >= 3);
    expect((await ask(fixture.driver, 'two')).text).toBe(`two by ${first}`);
    expect(fixture.driver.problem).toBeUndefined();
    await rm(broken);
    const second = await started(fixture, 2);
    await waitFor(() => !runs(first));
    expect((await ask(fixture.driver, 'three')).text).toMatch(/^three by/);
    expect(second).not.toBe(first);
  });

  it('that dies while nothing runs is started again before a task comes', async () => {
    const fixture = await makeDriver(obedient());
    await fixture.driver.probe(never);
    process.kill(await started(fixture, 1), 'SIGKILL');
    const second = await started(fixture, 2);
    expect(await ask(fixture.driver, 'hello')).toMatchObject({ text: `hello by ${second}`, warm: true });
  });

  it('that dies does not tell one task what another one wrote', async () => {
    const fixture = await makeDriver(obedient({ health_interval: '30s' }));
    await ask(fixture.driver, 'mutter my-secret');
    const error = await failure(ask(fixture.driver, 'crash 7'));
    expect(error.message).toContain('exit code 7');
    expect(`${error.message} ${String(error.cause)}`).not.toContain('my-secret');
    expect(JSON.stringify(told(fixture, 'cli_ended'))).not.toContain('my-secret');
    expect(told(fixture, 'cli_last_words')[0]?.fields).toMatchObject({ stderr: 'my-secret' });
  });
});
