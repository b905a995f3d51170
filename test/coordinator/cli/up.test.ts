import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { StartFleet } from '../../../coordinator/cli/io.ts';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import { writeRuntimeFile } from '../../../coordinator/embedded/runtime-file.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from './support/fake-io.ts';
import { type Script, startScriptedCoordinator } from './support/scripted-coordinator.ts';

let nats: TestNats;
let fleets = 0;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});

const echo: Script = task => {
  task.start();
  task.complete(`you said: ${task.prompt}`);
};

/** In place of the embedded fleet: a scripted coordinator, with what was asked of it and whether it still runs. */
async function scripted(script: Script, demo = false) {
  fleets += 1;
  const prefix = `up${fleets}`;
  const coordinator = await startScriptedCoordinator({ url: nats.url, prefix, script });
  onTestFinished(() => coordinator.stop());
  const seen: { options?: Parameters<StartFleet>[0]; running: boolean; end: (reason: CcliError) => void } = {
    running: false,
    end: () => undefined,
  };
  const startFleet: StartFleet = options => {
    seen.options = options;
    seen.running = true;
    options.onStage('starting nats-server');
    return Promise.resolve({
      nats_url: nats.url,
      prefix,
      ...(options.http !== 'off' && { http_url: `http://127.0.0.1:${options.http ?? 8000}` }),
      node: 'here',
      demo,
      stop: () => {
        seen.running = false;
        return Promise.resolve();
      },
      ended: new Promise(resolve => {
        seen.end = resolve;
      }),
    });
  };
  return { startFleet, seen, prefix, coordinator };
}

describe('ccli up with a prompt', () => {
  test('starts a fleet, runs the prompt, and stops the fleet', async () => {
    const { startFleet, seen } = await scripted(echo, true);
    const { code, out, err } = await ccli(
      ['up', '--state', '/some/dir', '--port', '4333', '--config', '/c', 'hi'],
      {
        startFleet,
      },
    );
    expect({ code, out, running: seen.running }).toEqual({ code: 0, out: 'you said: hi', running: false });
    expect(seen.options).toMatchObject({ state_dir: '/some/dir', port: 4333, config_file: '/c' });
    expect(err).toContain('starting nats-server\n');
    expect(err).toContain('GEMINI_API_KEY is not set: a built-in demo model answers.\n');
  });

  test('names each Ollama server that agents may be registered on', async () => {
    const { startFleet, seen } = await scripted(echo);
    await ccli(['up', '-q', '--ollama', 'http://a:11434', '--ollama', 'http://b:11434', 'hi'], {
      startFleet,
    });
    expect(seen.options).toMatchObject({ ollama: ['http://a:11434', 'http://b:11434'] });
  });

  test('serves no HTTP for one prompt, unless a port is named', async () => {
    const { startFleet, seen } = await scripted(echo);
    await ccli(['up', '-q', 'hi'], { startFleet });
    expect(seen.options).toMatchObject({ http: 'off' });
    await ccli(['up', '-q', '--http-port', '8123', 'hi'], { startFleet });
    expect(seen.options).toMatchObject({ http: 8123 });
  });

  test('takes the options of run, and its exit code', async () => {
    const { startFleet, seen, coordinator } = await scripted(task => {
      task.fail({ code: 'rate_limited', message: 'Slow down.', retryable: true });
    });
    const { code } = await ccli(['up', '-q', '--model', 'm', 'hi'], { startFleet });
    expect({ code, running: seen.running }).toEqual({ code: 8, running: false });
    expect(coordinator.submits[0]).toMatchObject({ model: 'm' });
  });

  test('uses the fleet that is up in the state directory, and leaves it up', async () => {
    const { prefix } = await scripted(echo);
    const directory = await temporaryDirectory();
    await writeRuntimeFile(directory, { nats_url: nats.url, prefix, node: 'here' });
    const { code, out } = await ccli(['up', '-q', '--state', directory, 'hi'], {
      startFleet: () => Promise.reject(new CcliError('state_in_use')),
    });
    expect({ code, out }).toEqual({ code: 0, out: 'you said: hi' });
  });

  test('waits for a fleet that is only starting in the state directory', async () => {
    const { prefix } = await scripted(echo);
    const directory = await temporaryDirectory();
    const run = fakeIo({ startFleet: () => Promise.reject(new CcliError('state_in_use')) });
    const ended = runCli(['up', '--state', directory, 'hi'], run.io);
    await waitFor(() => run.err().includes('waiting for the fleet that is starting or stopping there'));
    await writeRuntimeFile(directory, { nats_url: nats.url, prefix, node: 'here' });
    expect(await ended).toBe(0);
    expect(run.out()).toBe('you said: hi');
  });

  test('starts its own once a fleet that was stopping there has gone', async () => {
    const { startFleet, seen } = await scripted(echo);
    let held = true;
    const run = fakeIo({
      startFleet: options => (held ? Promise.reject(new CcliError('state_in_use')) : startFleet(options)),
    });
    const ended = runCli(['up', '--port', '4333', '--state', await temporaryDirectory(), 'hi'], run.io);
    await waitFor(() => run.err().includes('waiting for the fleet'));
    held = false;
    expect(await ended).toBe(0);
    expect(seen.options).toMatchObject({ port: 4333 });
  });

  test('refuses flags that cannot apply to a fleet that is up already', async () => {
    const { prefix, coordinator } = await scripted(echo);
    const directory = await temporaryDirectory();
    await writeRuntimeFile(directory, { nats_url: nats.url, prefix, node: 'here' });
    const { code, err } = await ccli(
      ['up', '--state', directory, '--port', '4333', '--config', '/c', '--http-port', '81', 'hi'],
      {
        startFleet: () => Promise.reject(new CcliError('state_in_use')),
      },
    );
    expect(code).toBe(2);
    expect(err).toContain('error state_in_use: ');
    expect(err).toContain('--config and --port and --http-port cannot apply');
    expect(coordinator.submits).toEqual([]);
  });

  test('a start that fails is told, and JSON has it too', async () => {
    const startFleet = () => Promise.reject(new CcliError('nats_server_missing'));
    const { code, out } = await ccli(['up', '--json', 'hi'], { startFleet });
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'nats_server_missing' } });
  });

  test('Ctrl-C cancels the task and stops the fleet', async () => {
    const { startFleet, seen, coordinator } = await scripted(task => {
      task.start();
    });
    const run = fakeIo({ startFleet });
    const ended = runCli(['up', 'hi'], run.io);
    await waitFor(() => run.err().includes('running on'));
    run.interrupt('SIGTERM');
    expect(await ended).toBe(130);
    expect(seen.running).toBe(false);
    expect([...coordinator.tasks.values()].map(({ status }) => status)).toEqual(['cancelled']);
  });

  test('an interrupt while starting submits nothing and stops what had started', async () => {
    const { startFleet, seen, coordinator } = await scripted(echo);
    let started: () => void = () => undefined;
    const slow: StartFleet = async options => {
      await new Promise<void>(resolve => (started = resolve));
      return await startFleet(options);
    };
    const run = fakeIo({ startFleet: slow });
    const ended = runCli(['up', 'hi'], run.io);
    await waitFor(() => run.listeners() === 1);
    run.interrupt('SIGHUP');
    started();
    expect(await ended).toBe(130);
    expect({ running: seen.running, asked: coordinator.asked }).toEqual({ running: false, asked: [] });
    expect(run.err()).toContain('nothing was submitted');
  });

  test('a fleet that loses a part ends the run with the reason', async () => {
    const { startFleet, seen } = await scripted(task => {
      task.start();
    });
    const run = fakeIo({ startFleet });
    const ended = runCli(['up', 'hi'], run.io);
    await waitFor(() => run.err().includes('running on'));
    seen.end(new CcliError('start_failed', 'The coordinator ended by itself.'));
    expect(await ended).toBe(4);
    expect(run.err()).toContain('error start_failed: The coordinator ended by itself.');
    expect(seen.running).toBe(false);
  });

  test('an empty prompt starts nothing', async () => {
    const { startFleet, seen } = await scripted(echo);
    expect((await ccli(['up', ' '], { startFleet })).code).toBe(2);
    expect(seen.options).toBeUndefined();
  });
});

describe('ccli up without a prompt', () => {
  test('tells how to talk to the fleet, and stays until Ctrl-C', async () => {
    const { startFleet, seen, prefix } = await scripted(echo);
    const run = fakeIo({ startFleet });
    const ended = runCli(['up', '--state', '/it is'], run.io);
    await waitFor(() => run.out().includes('Ctrl-C stops it.'));
    expect(run.out()).toContain(`  ccli run --state '/it is' "What is 2+2?"\n`);
    expect(run.out()).toContain(`  nats -s ${nats.url} req ${prefix}.task.run '{"prompt":"What is 2+2?"}'`);
    expect(run.out()).toContain(`  nats -s ${nats.url} micro ls\n`);
    expect(run.out()).toContain('  http://127.0.0.1:8000/docs ');
    expect(seen.running).toBe(true);
    run.interrupt();
    expect(await ended).toBe(0);
    expect(run.err()).toContain('stopping…\n');
    expect({ running: seen.running, listeners: run.listeners() }).toEqual({ running: false, listeners: 0 });
  });

  test('serves no HTTP, and says nothing of it, when that is not wanted', async () => {
    const { startFleet, seen } = await scripted(echo);
    const run = fakeIo({ startFleet });
    const ended = runCli(['up', '--no-http'], run.io);
    await waitFor(() => run.out().includes('Ctrl-C stops it.'));
    expect(seen.options).toMatchObject({ http: 'off' });
    expect(run.out()).not.toContain('/docs');
    run.interrupt();
    expect(await ended).toBe(0);
  });

  test('an interrupt while it starts exits 130', async () => {
    const run = fakeIo({
      startFleet: ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            reject(new CcliError('cancelled'));
          });
        }),
    });
    const ended = runCli(['up'], run.io);
    await waitFor(() => run.listeners() === 1);
    run.interrupt();
    expect(await ended).toBe(130);
  });

  test('prints where it is as JSON', async () => {
    const { startFleet, prefix } = await scripted(echo, true);
    const run = fakeIo({ startFleet });
    const ended = runCli(['up', '--json', '--state', '/s'], run.io);
    const printed = await waitFor(() => (run.out() === '' ? undefined : run.out()));
    expect(JSON.parse(printed)).toEqual({
      state_dir: '/s',
      nats_url: nats.url,
      http_url: 'http://127.0.0.1:8000',
      prefix,
      node: 'here',
      demo: true,
    });
    run.interrupt();
    expect(await ended).toBe(0);
  });
});
