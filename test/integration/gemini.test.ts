import { describe, expect, onTestFinished, test } from 'vitest';
import { openClient } from '../../coordinator/cli/client.ts';
import { newTaskId } from '../../coordinator/cli/task-id.ts';
import { submitPrompt, wholeResponse } from '../../coordinator/stream/transfer.ts';
import { waitForEnd } from '../../coordinator/stream/wait-for-end.ts';
import { scriptedAgent, type TestFleet, testFleet } from '../support/fleet.ts';
import { type GeminiStub, refusals, startGeminiStub } from '../support/gemini-stub.ts';
import { makeNvmHome } from '../support/node-builds.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const context = { caller: 'local', signal: new AbortController().signal };

async function withGemini(
  over: Record<string, unknown> = {},
): Promise<{ fleet: TestFleet; stub: GeminiStub }> {
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  const fleet = await testFleet();
  const agent = {
    id: 'walnut-gemini',
    agent_type: 'cli_gemini',
    model: 'gemini-2.5-pro',
    env: stub.environment,
  };
  await fleet.startNode({ agents: [{ ...agent, ...over }] });
  return { fleet, stub };
}

/** Prompts and answers of any size, as `ccli run` carries them. */
async function runWhole(fleet: TestFleet, prompt: string): Promise<string | undefined> {
  const client = await openClient({ nats: { url: fleet.nats.url }, prefix: 'ccli' });
  try {
    const task_id = newTaskId();
    await submitPrompt(client.operations, { task_id, prompt, options: {} }, context);
    const view = await waitForEnd(client.operations, { task_id, ...context });
    return await wholeResponse(client.operations, view, context);
  } finally {
    await client.close();
  }
}

describe('the real gemini CLI behind the whole road', () => {
  test.each(['acp', 'headless'] as const)('answers through the %s driver', async driver => {
    const { fleet, stub } = await withGemini({ driver });
    stub.answer(request => ({ text: ['4', ', of ', `course (${request.model})`] }));
    await fleet.agentReady('walnut-gemini');
    const task = await fleet.run({ prompt: 'What is 2+2?' });
    expect(task).toMatchObject({
      status: 'completed',
      response: '4, of course (gemini-2.5-pro)',
      model: 'gemini-2.5-pro',
      cli_version: '0.61.0',
      warm: driver === 'acp',
      completeness: 'unknown',
    });
  });

  test('takes a model that a task names, and one that does not exist ends as model_not_found', async () => {
    const { fleet, stub } = await withGemini();
    stub.answer(request =>
      request.model === 'gemini-9'
        ? { status: 404, message: 'models/gemini-9 is not found' }
        : `I am ${request.model}`,
    );
    await fleet.agentReady('walnut-gemini');
    const flash = await fleet.run({ prompt: 'who?', model: 'gemini-2.5-flash' });
    expect(flash.response).toBe('I am gemini-2.5-flash');
    const wrong = await fleet.run({ prompt: 'who?', model: 'gemini-9' });
    expect(wrong).toMatchObject({ status: 'failed', error: { code: 'model_not_found' } });
    expect(wrong.attempts).toHaveLength(1);
  });

  test('refuses with prompt_too_large what gemini cannot take, before anything runs', async () => {
    const { fleet, stub } = await withGemini();
    await fleet.agentReady('walnut-gemini');
    await expect(runWhole(fleet, 'x'.repeat(4 * 1024 * 1024 + 1))).rejects.toMatchObject({
      code: 'prompt_too_large',
    });
    expect(stub.requests).toEqual([]);
  });

  test('after a refused key the agent is shown as unavailable, and further tasks are refused at once', async () => {
    const { fleet, stub } = await withGemini();
    stub.answer(() => refusals.keyInvalid);
    await fleet.agentReady('walnut-gemini');
    expect((await fleet.run({ prompt: 'x' })).error?.code).toBe('auth_refused');
    const [agent] = (await fleet.call('agents', {})).agents;
    expect(agent).toMatchObject({ available: false, signed_in: 'no', problem: { code: 'auth_refused' } });
    await expect(fleet.call('submit', { prompt: 'y' })).rejects.toMatchObject({ code: 'auth_refused' });
  });
});

describe('an agent that is not set up', () => {
  test('without a key is refused with cli_not_signed_in', async () => {
    const fleet = await testFleet();
    const agent = { id: 'walnut-gemini', agent_type: 'cli_gemini', home: await temporaryDirectory() };
    await fleet.startNode({ agents: [agent] });
    await expect(fleet.call('submit', { prompt: 'x' })).rejects.toMatchObject({ code: 'cli_not_signed_in' });
  });

  test('whose Node version is not installed is refused with node_version_missing, naming those there are', async () => {
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), { versions: ['22.14.0'] });
    const fleet = await testFleet();
    const agent = { id: 'walnut-gemini', agent_type: 'cli_gemini', node_version: 'v22.99.0' };
    await fleet.startNode({ agents: [agent], settings: { nvm_dir } });
    const refusal = fleet.call('submit', { prompt: 'x' });
    await expect(refusal).rejects.toMatchObject({ code: 'node_version_missing' });
    await expect(refusal).rejects.toThrow('v22.14.0');
  });
});

describe('long texts', () => {
  test('5 MiB go to a scripted agent and come back whole', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const prompt = 'żółw 🐢\n'.repeat(430_000);
    expect(Buffer.byteLength(prompt)).toBeGreaterThan(5 * 1024 * 1024);
    const answer = await runWhole(fleet, prompt);
    expect(answer === `echo: ${prompt}`).toBe(true);
  });

  test('500 KiB come back whole too, and one byte does', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    for (const prompt of ['x', 'y'.repeat(500 * 1024)])
      expect(await runWhole(fleet, prompt)).toBe(`echo: ${prompt}`);
  });
});
