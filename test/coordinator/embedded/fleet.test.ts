import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type Fleet, type FleetOptions, startFleet } from '../../../coordinator/embedded/fleet.ts';
import { identify } from '../../../protocol/daemon/process-identity.ts';
import { OPERATIONS, type OperationName, type OperationReply } from '../../../protocol/operation.ts';
import { built } from '../../support/built.ts';
import { startGeminiStub } from '../../support/gemini-stub.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const programs = { coordinator: built('coordinator/main.ts'), node_agent: built('node-agent/main.ts') };
const keyless = {
  ...process.env,
  CCLI_HTTP_PORT: '0',
  GEMINI_API_KEY: undefined,
  GOOGLE_GEMINI_BASE_URL: undefined,
};

async function start(state_dir: string, over: Partial<FleetOptions> = {}): Promise<Fleet> {
  const fleet = await startFleet({
    state_dir,
    environment: keyless,
    onStage: () => undefined,
    programs,
    ...over,
  });
  onTestFinished(fleet.stop);
  return fleet;
}

async function ask<N extends OperationName>(
  fleet: Fleet,
  name: N,
  request: object,
): Promise<OperationReply<N>> {
  const connection = await connect({ servers: fleet.nats_url });
  const { subject, reply } = OPERATIONS[name];
  const message = await connection.request(`${fleet.prefix}.${subject}`, JSON.stringify(request), {
    timeout: 60_000,
  });
  await connection.close();
  return reply.parse(JSON.parse(message.string())) as OperationReply<N>;
}

describe('an embedded fleet of the real daemons', () => {
  test('answers a prompt through the real gemini CLI and the demo model', async () => {
    const fleet = await start(await temporaryDirectory());
    expect(fleet.demo).toBe(true);
    const task = await ask(fleet, 'run', { prompt: 'What is 2+2?' });
    expect(task).toMatchObject({ status: 'completed', agent_id: `${fleet.node}-gemini` });
    expect(task.response).toContain('> What is 2+2?');
    const health = await fetch(`${fleet.http_url ?? ''}/healthz`);
    expect(health.status).toBe(200);
  });

  test('asks the service that the environment names when there is a key', async () => {
    const stub = await startGeminiStub({ answer: () => 'four' });
    onTestFinished(() => stub.close());
    const fleet = await start(await temporaryDirectory(), {
      environment: { ...process.env, CCLI_HTTP_PORT: '0', ...stub.environment },
    });
    expect(fleet.demo).toBe(false);
    expect((await ask(fleet, 'run', { prompt: '2+2?' })).response).toBe('four');
  });

  test('never meets another one on the same machine', async () => {
    const one = await start(await temporaryDirectory());
    const two = await start(await temporaryDirectory());
    expect(one.nats_url).not.toBe(two.nats_url);
    await ask(one, 'run', { prompt: 'for the first' });
    expect((await ask(one, 'list', {})).tasks).toHaveLength(1);
    expect((await ask(two, 'list', {})).tasks).toHaveLength(0);
    expect((await ask(two, 'nodes', {})).nodes).toHaveLength(1);
  });

  test('keeps its tasks over a stop and a start', async () => {
    const state_dir = await temporaryDirectory();
    const first = await start(state_dir);
    const { task_id } = await ask(first, 'run', { prompt: 'remember me' });
    await expect(start(state_dir)).rejects.toMatchObject({ code: 'state_in_use' });
    await first.stop();
    const second = await start(state_dir);
    expect(await ask(second, 'get', { task_id })).toMatchObject({ status: 'completed' });
  });

  test('has no survivors when its process is killed outright, and starts again where it was', async () => {
    const state_dir = await temporaryDirectory();
    const script = `
      import { startFleet } from ${JSON.stringify(built('coordinator/embedded/fleet.ts'))};
      await startFleet({ state_dir: ${JSON.stringify(state_dir)}, environment: process.env, onStage: () => {} });
      console.log('up');`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: keyless,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(parent.stdout, 'data');
    const children = await childrenOf(state_dir);
    expect(children).toHaveLength(3);

    parent.kill('SIGKILL');
    await waitFor(
      async () => (await Promise.all(children.map(identify))).every(found => found === undefined),
      {
        what: 'the end of all children',
      },
    );
    const fleet = await start(state_dir);
    expect((await ask(fleet, 'status', {})).agents.available).toBe(1);
  });
});

const LockSchema = z.object({ children: z.array(z.object({ pid: z.number() })) });

async function childrenOf(state_dir: string): Promise<number[]> {
  const name = (await readdir(state_dir)).find(file => file.startsWith('fleet.lock'));
  const lock = LockSchema.parse(JSON.parse(await readFile(join(state_dir, name ?? ''), 'utf8')));
  return lock.children.map(({ pid }) => pid);
}
