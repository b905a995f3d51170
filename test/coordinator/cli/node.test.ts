import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from './support/fake-io.ts';
import { type ScriptedTask, startScriptedCoordinator } from './support/scripted-coordinator.ts';

let nats: TestNats;
let fleets = 0;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});

/** A fleet of one node, walnut, whose state the test sets. */
async function fleet() {
  fleets += 1;
  const prefix = `node${fleets}`;
  const walnut = { draining: false, running: 0, outbox: 0 };
  const failures: CcliError[] = [];
  const tasks: ScriptedTask[] = [];
  const coordinator = await startScriptedCoordinator({
    url: nats.url,
    prefix,
    script: task => {
      tasks.push(task);
    },
    wrap: () => ({
      drain: ({ node, drain }) => {
        const failure = failures.shift();
        if (failure !== undefined) return Promise.reject(failure);
        if (node !== 'walnut')
          return Promise.reject(
            new CcliError('node_unknown', `No node is called "${node}"; there is walnut.`),
          );
        walnut.draining = drain;
        return Promise.resolve({ node, ...walnut });
      },
    }),
  });
  onTestFinished(() => coordinator.stop());
  const at = ['--nats', nats.url, '--prefix', prefix];
  const start = (...args: string[]) => {
    const run = fakeIo();
    return { run, code: runCli(['node', ...args, ...at], run.io) };
  };
  return { at, coordinator, walnut, failures, tasks, start };
}

describe('ccli node drain', () => {
  test('shows what still runs and is unsent, and says when the node is drained', async () => {
    const { at, walnut, tasks, start } = await fleet();
    await ccli(['submit', ...at, 'hello']);
    const task = tasks[0];
    task?.start();
    Object.assign(walnut, { running: 1, outbox: 2 });
    const { run, code } = start('drain', 'walnut');
    const shown = `draining walnut: 1 task still runs (${task?.task_id ?? ''}), 2 results unsent\n`;
    await waitFor(() => run.err().includes(shown), { what: shown });
    task?.complete('done');
    Object.assign(walnut, { running: 0, outbox: 1 });
    await waitFor(() => run.err().includes('draining walnut: 1 result unsent\n'));
    walnut.outbox = 0;
    expect(await code).toBe(0);
    expect(run.out()).toBe('walnut is drained: nothing runs, nothing is unsent\n');
  });

  test('does not wait with --no-wait, and prints what the node says with --json', async () => {
    const { at, walnut } = await fleet();
    walnut.running = 2;
    expect(await ccli(['node', 'drain', '--no-wait', ...at, 'walnut'])).toEqual({
      code: 0,
      out: 'walnut is draining: 2 tasks still run\n',
      err: '',
    });
    const { out } = await ccli(['node', 'drain', '--no-wait', '--json', ...at, 'walnut']);
    expect(JSON.parse(out)).toEqual({ node: 'walnut', draining: true, running: 2, outbox: 0 });
  });

  test('ends with 6 when the time is up, and the node goes on draining', async () => {
    const { at, walnut } = await fleet();
    walnut.running = 1;
    const { code, out, err } = await ccli(['node', 'drain', '--timeout', '1s', ...at, 'walnut']);
    expect({ code, out }).toEqual({ code: 6, out: '' });
    expect(err).toMatch(
      /wait_timeout: Not drained after .*walnut takes nothing new.*ccli node resume walnut/,
    );
    expect(walnut.draining).toBe(true);
  });

  test('Ctrl-C ends the waiting, says that the node goes on draining, and gives the signals back', async () => {
    const { walnut, start } = await fleet();
    walnut.running = 1;
    const { run, code } = start('drain', 'walnut');
    await waitFor(() => run.err().includes('1 task still runs'));
    run.interrupt();
    expect(await code).toBe(130);
    expect(run.err()).toMatch(/Stopped waiting; walnut takes nothing new and goes on draining/);
    expect(walnut.draining).toBe(true);
    expect(run.listeners()).toBe(0);
  });

  test('waits through a coordinator that is away for a moment', async () => {
    const { walnut, failures, start } = await fleet();
    walnut.running = 1;
    const { run, code } = start('drain', 'walnut');
    await waitFor(() => run.err().includes('1 task still runs'));
    failures.push(new CcliError('node_lost', 'Node walnut does not answer.'));
    walnut.running = 0;
    expect(await code).toBe(0);
    expect(run.err()).toContain('Node walnut does not answer. Trying again');
  });

  test('of an unknown node lists those there are', async () => {
    const { at } = await fleet();
    const { code, err } = await ccli(['node', 'drain', ...at, 'oak']);
    expect(code).toBe(3);
    expect(err).toContain('node_unknown: No node is called "oak"; there is walnut.');
  });
});

test('ccli node resume gives a node work again', async () => {
  const { at, walnut } = await fleet();
  walnut.draining = true;
  expect(await ccli(['node', 'resume', ...at, 'walnut'])).toEqual({
    code: 0,
    out: 'walnut takes work again\n',
    err: '',
  });
  expect(walnut.draining).toBe(false);
});

test('ccli submit --deadline sets how long the task may take in all', async () => {
  const { at, coordinator } = await fleet();
  await ccli(['submit', '--deadline', '2d', ...at, 'hello']);
  expect(coordinator.submits[0]).toMatchObject({ deadline_ms: 2 * 86_400_000 });
  const { code, err } = await ccli(['submit', '--deadline', '31d', ...at, 'hello']);
  expect(code).toBe(2);
  expect(err).toContain('30d is the most');
});
