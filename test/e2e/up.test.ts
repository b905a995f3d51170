import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { built } from '../support/built.ts';
import { refusals, startGeminiStub } from '../support/gemini-stub.ts';
import { processesMentioning } from '../support/leaks.ts';
import { plainEnvironment } from '../support/plain-environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTerminal } from '../support/terminal.ts';

const ccli = built('coordinator/cli/main.ts');

/** Without whatever key the machine has; HTTP on whatever port is free. */
const environment = (over: Record<string, string> = {}): Record<string, string> => {
  return { ...plainEnvironment(), CCLI_HTTP_PORT: '0', ...over };
};

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const run = (args: readonly string[], env: Record<string, string>): Promise<Ended> =>
  new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [ccli, ...args],
      { env, timeout: 80_000 },
      (_error, out, err) => {
        resolve({ code: child.exitCode ?? -1, out, err });
      },
    );
    child.stdin?.end();
  });

describe('ccli up', () => {
  test('with a prompt and no key answers through the real CLI and says that it is the demo model', async () => {
    const state = await temporaryDirectory();
    const { code, out, err } = await run(['up', '--state', state, 'What is 2+2?'], environment());
    expect(err).toContain('GEMINI_API_KEY is not set');
    expect(out).toContain('demo model');
    expect(out).toContain('What is 2+2?');
    expect(code).toBe(0);
    expect(await processesMentioning(state)).toEqual([]);
    expect(await readdir(state)).not.toContain('fleet.json');
  });

  test('with a key that is refused fails with auth_refused and never asks the demo model', async () => {
    const stub = await startGeminiStub({ answer: () => refusals.keyInvalid });
    onTestFinished(() => stub.close());
    const state = await temporaryDirectory();
    const env = environment({ GEMINI_API_KEY: 'refused-key', GOOGLE_GEMINI_BASE_URL: stub.url });
    const { code, out, err } = await run(['up', '--state', state, 'What is 2+2?'], env);
    expect(err).toContain('error auth_refused');
    expect(out).toBe('');
    expect(code).toBe(7);
    expect(stub.requests.length).toBeGreaterThan(0);
    expect(await processesMentioning(state)).toEqual([]);
  });

  test('on a terminal streams the answer under its progress', async () => {
    const state = await temporaryDirectory();
    const terminal = openTerminal(
      process.execPath,
      [ccli, 'up', '--state', state, 'żółw 🐢?'],
      environment(),
    );
    expect(await terminal.ended).toBe(0);
    const screen = terminal.screen();
    expect(screen).toContain('> żółw 🐢?');
    expect(screen.indexOf('submitted')).toBeLessThan(screen.indexOf('demo model, not Gemini'));
    expect(screen).toMatch(/done in [\d.]+ m?s/);
  });

  test('stays up until Ctrl-C, and then leaves no process', async () => {
    const state = await temporaryDirectory();
    const terminal = openTerminal(process.execPath, [ccli, 'up', '--state', state], environment());
    await terminal.shows('nats');
    await terminal.shows('ccli run');
    const asked = await run(['run', '--state', state, 'hello'], environment());
    expect(asked.out).toContain('> hello');
    const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)\/docs/.exec(terminal.screen()) ?? [];
    const posted = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ agent_type: 'cli_gemini', prompt: 'Test task 1', wait: true }),
    });
    expect(await posted.json()).toMatchObject({
      status: 'completed',
      response: expect.stringContaining('> Test task 1') as string,
    });
    terminal.press('\u0003');
    expect(await terminal.ended).toBe(0);
    expect(await processesMentioning(state)).toEqual([]);
  });

  test('interrupted while it starts leaves no process', async () => {
    const state = await temporaryDirectory();
    const terminal = openTerminal(process.execPath, [ccli, 'up', '--state', state], environment());
    await terminal.shows('starting');
    terminal.press('\u0003');
    await terminal.ended;
    expect(await processesMentioning(state)).toEqual([]);
  });

  test('twice on one machine makes two fleets that do not meet', async () => {
    const [one, two] = [await temporaryDirectory(), await temporaryDirectory()];
    const terminals = [one, two].map(state =>
      openTerminal(process.execPath, [ccli, 'up', '--state', state], environment()),
    );
    await Promise.all(terminals.map(terminal => terminal.shows('ccli run')));
    const answer = await run(['run', '--state', one, '--json', 'only here'], environment());
    const { task_id } = JSON.parse(answer.out) as { task_id: string };
    const elsewhere = await run(['task', 'show', '--state', two, task_id], environment());
    expect(elsewhere.err).toContain('task_unknown');
    expect(elsewhere.code).toBe(3);
    for (const terminal of terminals) terminal.press('\u0003');
    await Promise.all(terminals.map(terminal => terminal.ended));
  });

  test('carries a prompt of 3 MiB to the real CLI and back', async () => {
    const stub = await startGeminiStub({ answer: request => `${String(request.prompt.length)} characters` });
    onTestFinished(() => stub.close());
    const state = await temporaryDirectory();
    const env = environment({ GEMINI_API_KEY: 'key', GOOGLE_GEMINI_BASE_URL: stub.url });
    const big = 'x'.repeat(3 * 1024 * 1024);
    const child = execFile(process.execPath, [ccli, 'up', '--state', state, '-'], { env, timeout: 80_000 });
    let out = '';
    let err = '';
    child.stdout?.on('data', (text: string) => (out += text));
    child.stderr?.on('data', (text: string) => (err += text));
    child.stdin?.end(big);
    const code = await new Promise(resolve => child.on('close', resolve));
    expect({ code, out: out.trim(), err: code === 0 ? '' : err }).toEqual({
      code: 0,
      out: `${big.length} characters`,
      err: '',
    });
  });
});
