import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startDemoModel } from '../../../coordinator/embedded/demo-model.ts';
import { root } from '../../support/built.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function demo() {
  const model = await startDemoModel();
  onTestFinished(model.stop);
  return model;
}

async function generate(url: string, method: string, body: unknown): Promise<Response> {
  return await fetch(`${url}/v1beta/models/gemini-2.5-pro:${method}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

const asking = (...texts: string[]) => ({
  contents: [{ role: 'user', parts: texts.map(text => ({ text })) }],
});

/** One prompt through the real CLI, as somebody without our daemons would run it. */
async function gemini(url: string, prompt: string): Promise<string> {
  const home = await temporaryDirectory();
  await mkdir(join(home, '.gemini'));
  const settings = {
    security: { auth: { selectedType: 'gemini-api-key' } },
    general: { enableAutoUpdate: false, maxAttempts: 1 },
    privacy: { usageStatisticsEnabled: false },
  };
  await writeFile(join(home, '.gemini', 'settings.json'), JSON.stringify(settings));
  const cli = join(root, 'node_modules', '@google', 'gemini-cli', 'bundle', 'gemini.js');
  const running = promisify(execFile)(process.execPath, [cli, '--model', 'gemini-2.5-pro', '-o', 'json'], {
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      TMPDIR: home,
      HOME: home,
      GEMINI_CLI_HOME: home,
      GEMINI_API_KEY: 'demo',
      GOOGLE_GEMINI_BASE_URL: url,
      GEMINI_CLI_NO_RELAUNCH: 'true',
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
      TERM: 'xterm-256color',
    },
  });
  running.child.stdin?.end(prompt);
  return (await running).stdout;
}

describe('the demo model', () => {
  test('answers the real gemini CLI, says that it is no model, and quotes the prompt', async () => {
    const { url } = await demo();
    const { response } = JSON.parse(await gemini(url, 'What is 2+2?\n«zwei» 🚀')) as { response: string };
    expect(response).toContain('demo model, not Gemini');
    expect(response).toContain('> What is 2+2?\n> «zwei» 🚀\n');
  });

  test('streams its answer in several events, the last with finish reason and usage', async () => {
    const { url } = await demo();
    const text = await (
      await generate(url, 'streamGenerateContent?alt=sse', asking('context', 'hello'))
    ).text();
    const events = text
      .split('\r\n\r\n')
      .filter(event => event !== '')
      .map(event => JSON.parse(event.replace(/^data: /, '')) as { candidates: { finishReason?: string }[] });
    expect(events.length).toBeGreaterThan(2);
    expect(events.map(event => event.candidates[0]?.finishReason)).toEqual([
      ...events.slice(1).map(() => undefined),
      'STOP',
    ]);
    expect(events.at(-1)).toHaveProperty('usageMetadata.totalTokenCount');
    expect(text).toContain('> hello');
    expect(text).not.toContain('> context');
  });

  test('quotes only the start of a long prompt, and never half a character', async () => {
    const { url } = await demo();
    const reply = await (await generate(url, 'generateContent', asking(`x${'ä'.repeat(100_000)}`))).text();
    expect(reply.length).toBeLessThan(4_000);
    expect(reply).toContain('200001 bytes in all');
    expect(reply).not.toContain('\uFFFD');
  });

  test('counts tokens, and refuses the rest as the real service would', async () => {
    const { url } = await demo();
    expect(await (await generate(url, 'countTokens', asking('12345678'))).json()).toEqual({ totalTokens: 2 });
    expect((await generate(url, 'paintPicture', asking('x'))).status).toBe(404);
    expect((await generate(url, 'generateContent', 'not json')).status).toBe(400);
    expect((await fetch(url)).status).toBe(404);
  });

  test('stops at once, and twice is once', async () => {
    const model = await demo();
    await generate(model.url, 'countTokens', asking('x'));
    await model.stop();
    await model.stop();
    await expect(fetch(model.url)).rejects.toThrow();
  });
});
