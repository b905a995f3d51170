import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestFleet } from '../../support/fleet.ts';
import { runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { connectClient, type McpClient } from './support/clients.ts';
import { connectTo, mcpFleet, placeOf, WAYS } from './support/places.ts';

/** A call that would wait for ever, once the process of its task is there. */
async function hanging(
  client: McpClient,
  signal: AbortSignal,
  tool = 'run_task',
): Promise<{ pid: number; call: Promise<unknown> }> {
  const log = join(await temporaryDirectory(), 'log');
  const prompt = `#${JSON.stringify({ log, hang: true })}`;
  const call = client.call(tool, { prompt, wait_s: 600 }, { signal }).catch((error: unknown) => error);
  const [pid] = await waitFor(
    async () => {
      const found = [...(await readFile(log, 'utf8')).matchAll(/^start (\d+)$/gm)].map(match =>
        Number(match[1]),
      );
      return found.length > 0 && found;
    },
    { what: 'the process of the task' },
  );
  if (pid === undefined) throw new Error('no process');
  return { pid, call };
}

const gone = (pid: number): Promise<true> => waitFor(() => !runs(pid) && true, { what: `${pid} being gone` });

async function cancelled(fleet: TestFleet): Promise<void> {
  await waitFor(
    async () => (await fleet.call('list', {})).tasks.every(({ status }) => status === 'cancelled'),
    {
      what: 'every task being cancelled',
    },
  );
}

test.each(WAYS)(
  'a cancelled call ends the process of its task over $transport from the $kind client',
  async way => {
    const fleet = await mcpFleet();
    const client = await connectTo(fleet, way);
    const user = new AbortController();
    const { pid, call } = await hanging(client, user.signal);
    user.abort();
    await call;
    await gone(pid);
    await cancelled(fleet);
    // The connection is as good as before.
    expect(await client.text('run_task', { prompt: 'still there' })).toContain('echo: still there');
  },
);

test.each(WAYS.filter(({ transport }) => transport === 'stdio'))(
  'a $kind client that goes away ends what its call waited for, and nothing that it submitted',
  async way => {
    const fleet = await mcpFleet();
    const client = await connectTo(fleet, way);
    const server = client.pid();
    const { structuredContent } = await client.call('submit_task', { prompt: '#{"hang":true}' });
    const submitted = String(structuredContent?.['task_id']);
    await fleet.reaches(submitted, 'running');
    const { pid, call } = await hanging(client, new AbortController().signal);
    await client.close();
    await call;
    await gone(pid);
    if (server === null) throw new Error('no server was started');
    await gone(server);
    expect(await fleet.call('get', { task_id: submitted })).toMatchObject({ status: 'running' });
    await fleet.call('cancel', { task_id: submitted });
  },
);

test('nothing stays open of a call that was cancelled over HTTP', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'http', kind: 'v1' });
  const inFlight = async (): Promise<string | undefined> => {
    const metrics = await fetch(`${String(fleet.coordinator.http_url)}/metrics`);
    return /^ccli_http_requests_in_flight (\d+)$/m.exec(await metrics.text())?.[1];
  };
  const before = await waitFor(inFlight);
  const user = new AbortController();
  const { pid, call } = await hanging(client, user.signal);
  expect(await inFlight()).toBe(String(Number(before) + 1));
  user.abort();
  await call;
  await gone(pid);
  await waitFor(async () => (await inFlight()) === before, { what: 'its request being over' });
});

test('a client over HTTP that ends its session ends what its call waited for', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'http', kind: 'v1' });
  const { pid, call } = await hanging(client, new AbortController().signal);
  await client.close();
  await call;
  await gone(pid);
});

test('a client of the 2026 revision that hangs up ends what its call waited for', async () => {
  const fleet = await mcpFleet();
  const client = await connectTo(fleet, { transport: 'http', kind: 'modern' });
  const { pid, call } = await hanging(client, new AbortController().signal);
  await client.close();
  await call;
  await gone(pid);
});

test('a coordinator that stops answers its calls with where to go on, and the task goes on', async () => {
  const fleet = await mcpFleet();
  const client = await connectClient('legacy', placeOf(fleet, 'http'));
  const { pid, call } = await hanging(client, new AbortController().signal);
  await fleet.coordinator.stop();
  expect(await call).toMatchObject({ structuredContent: { status: 'running' } });
  expect(runs(pid)).toBe(true);
});
