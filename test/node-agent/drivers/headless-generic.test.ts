import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { root } from '../../support/built.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ask, failure, makeDriver } from './fixture.ts';

const RevealedSchema = z.object({ args: z.array(z.string()), env: z.record(z.string(), z.string()) });
const command = join(root, 'test/support/tools/cli.mjs');
const never = new AbortController().signal;
const standIn = (...args: string[]) => ({ agent_type: 'cli_generic', command, args });

describe('a CLI with a print mode', () => {
  it('gets the prompt on stdin and answers on stdout', async () => {
    const { driver, state_dir } = await makeDriver({ agent: standIn('echo') });
    expect(await driver.probe(never)).toMatchObject({
      node_version: process.version,
      cli_path: command,
      node_path: process.execPath,
      signed_in: 'unknown',
    });
    expect(await ask(driver, 'hello')).toMatchObject({ text: 'hello', completeness: 'unknown', warm: false });
    expect(driver.warm).toBe(false);
    expect(await readdir(join(state_dir, 'work'))).toEqual([]);
    await driver.close();
  });

  it('shows that it is at work by whatever it prints, on either pipe', async () => {
    const { driver } = await makeDriver({ agent: standIn('grumble') });
    let signs = 0;
    const { text } = await ask(driver, 'hello', { onActivity: () => (signs += 1) });
    expect(text).toBe('hello');
    expect(signs).toBeGreaterThanOrEqual(2);
  });

  it('may cut its answer anywhere: characters come out whole', async () => {
    const { driver } = await makeDriver({ agent: standIn('trickle') });
    const prompt = '\uFEFFäß \u{1F680}\u200D\u{1F469} 漢字 \r\n end';
    expect((await ask(driver, prompt)).text).toBe(prompt);
  });

  it('takes and gives 16 MiB', async () => {
    const { driver } = await makeDriver({ agent: standIn('echo') });
    const prompt = 'x'.repeat(16 * 1024 * 1024);
    expect((await ask(driver, prompt)).text === prompt).toBe(true);
  });

  it('need not read its stdin, however long the prompt', async () => {
    const { driver } = await makeDriver({ agent: standIn('deaf') });
    expect((await ask(driver, 'x'.repeat(5 * 1024 * 1024))).text).toBe('I did not listen');
  });

  it('sees the model it is asked for, and only the environment it is allowed to', async () => {
    const { driver } = await makeDriver({
      agent: {
        ...standIn('reveal', '--model', '{model}'),
        model: 'big',
        env: { MODE: 'fast' },
        pass_env: ['TOOL_KEY'],
      },
      environment: {
        TOOL_KEY: 'k',
        NOTIFY_SOCKET: '/run/systemd',
        SECRET: 's',
        LC_ALL: 'C',
        HTTPS_PROXY: 'http://p',
      },
    });
    const { text, model } = await ask(driver, 'hello', { model: 'small' });
    const seen = RevealedSchema.parse(JSON.parse(text));
    expect(model).toBe('small');
    expect(seen.args).toEqual(['--model', 'small']);
    expect(seen.env).toMatchObject({ MODE: 'fast', TOOL_KEY: 'k', LC_ALL: 'C', HTTPS_PROXY: 'http://p' });
    expect(Object.keys(seen.env)).not.toContain('NOTIFY_SOCKET');
    expect(Object.keys(seen.env)).not.toContain('SECRET');
    expect(RevealedSchema.parse(JSON.parse((await ask(driver, 'hello')).text)).args).toEqual([
      '--model',
      'big',
    ]);
  });

  it('that ends with an exit code has crashed, and its last words are the cause', async () => {
    const { driver } = await makeDriver({ agent: standIn('crash') });
    const error = await failure(ask(driver, 'hello'));
    expect(error).toMatchObject({ code: 'cli_crashed', cause: { message: 'boiler exploded' } });
    expect(error.message).toContain('exit code 3');
  });

  it('that prints nothing but space has given no answer', async () => {
    const { driver } = await makeDriver({ agent: standIn('silence') });
    expect((await failure(ask(driver, 'hello'))).code).toBe('empty_reply');
  });

  it.each(['garble', 'stump'])('that prints no UTF-8 (%s) is stopped', async behaviour => {
    const { driver } = await makeDriver({ agent: standIn(behaviour) });
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_garbled');
  });

  it('that hangs is stopped with all its children, although they ignore the polite signal', async () => {
    const file = join(await temporaryDirectory(), 'pids');
    const { driver, state_dir } = await makeDriver({ agent: standIn('hang', file) });
    const controller = new AbortController();
    const reason = new Error('time is up');
    const run = ask(driver, 'hello', { signal: controller.signal });
    const pids = await readPids(file);
    expect(pids.filter(runs)).toHaveLength(2);
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
    expect(pids.filter(runs)).toEqual([]);
    expect(await readdir(join(state_dir, 'work'))).toEqual([]);
  });

  it('that leaves a child behind has it stopped', async () => {
    const file = join(await temporaryDirectory(), 'pid');
    const { driver } = await makeDriver({ agent: standIn('litter', file) });
    expect((await ask(driver, 'hello')).text).toBe('left a child');
    expect(runs((await readPids(file))[0] ?? 0)).toBe(false);
  });

  it('whose child escapes the group does not hold the answer up', async () => {
    const file = join(await temporaryDirectory(), 'pid');
    onTestFinished(async () => {
      process.kill((await readPids(file))[0] ?? 0, 'SIGKILL');
    });
    const { driver } = await makeDriver({ agent: standIn('escape', file) });
    expect((await ask(driver, 'hello')).text).toBe('a child got away');
  });

  it('is not started for a task that is already cancelled', async () => {
    const { driver } = await makeDriver({ agent: standIn('hang', '/nowhere') });
    const signal = AbortSignal.abort(new Error('never mind'));
    await expect(ask(driver, 'hello', { signal })).rejects.toThrow('never mind');
  });

  it('stops when the reader of its answer fails', async () => {
    const { driver } = await makeDriver({ agent: standIn('echo') });
    const onChunk = (): void => {
      throw new Error('no room');
    };
    const task = { task_id: 't', attempt: 1, prompt: 'hello', tool_policy: 'deny' } as const;
    await expect(driver.run(task, { onChunk }, never)).rejects.toThrow('no room');
  });
});

describe('a CLI that is not there', () => {
  it('is missing by its path, its name, or its permission', async () => {
    const plain = join(await temporaryDirectory(), 'plain.txt');
    await writeFile(plain, 'no program');
    for (const missing of ['/nowhere/tool', 'no-such-tool-anywhere', plain]) {
      const { driver } = await makeDriver({ agent: { ...standIn('echo'), command: missing } });
      expect((await failure(driver.probe(never))).code).toBe('cli_missing');
      expect((await failure(ask(driver, 'hello'))).code).toBe('cli_missing');
    }
  });

  it('cannot be started when its interpreter is missing', async () => {
    const script = join(await temporaryDirectory(), 'tool');
    await writeFile(script, '#!/no/such/interpreter\n');
    await chmod(script, 0o755);
    const { driver } = await makeDriver({ agent: { ...standIn('echo'), command: script } });
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_missing');
  });

  it('cannot work in a directory that does not exist', async () => {
    const { driver } = await makeDriver({ agent: { ...standIn('echo'), cwd: '/nowhere/at/all' } });
    const error = await failure(ask(driver, 'hello'));
    expect(error.message).toContain('/nowhere/at/all');
  });
});
