/** Whoever waits at a route when the door closes is answered with what there is. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testCoordinator } from '../../../support/fleet.ts';
import { mixedFleet, requirements } from '../../../support/part-agents.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';

test('a drain tells how far it is, and a coordination how to take it up again', async () => {
  const fleet = await mixedFleet({ http: { enabled: true } });
  const url = fleet.coordinator.http_url ?? '';
  const post = async (path: string, body?: unknown): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const cli = { id: 'walnut-general', agent_type: 'cli_generic', specialty: 'general_ai', canary: false };
  expect((await post('/api/agents/cli', { ...cli, cli_config: { host: 'walnut' } })).body).toMatchObject({
    status: 'success',
  });
  const gate = join(await temporaryDirectory(), 'gate');
  const coordinating = post('/api/coordinate', {
    coordination_id: 'c',
    prompt: requirements({ 'walnut-general': { say: 'done', gate } }),
    agents: ['walnut-general'],
    strategy: 'all',
  });
  await waitFor(async () => (await fleet.call('list', {})).tasks.some(({ status }) => status === 'running'));
  const draining = post('/api/agents/walnut-general/drain?wait=60');
  const isOff = async (): Promise<boolean> => {
    const { agents } = await fleet.call('agents', {});
    return agents.some(({ agent_id, enabled }) => agent_id === 'walnut-general' && !enabled);
  };
  await waitFor(isOff);

  const [drained, coordinated] = await Promise.all([draining, coordinating, fleet.coordinator.stop()]);
  expect(drained).toMatchObject({ status: 200, body: { drained: false, current_tasks: 1 } });
  expect(coordinated).toMatchObject({
    status: 503,
    body: { code: 'no_coordinator', detail: expect.stringContaining('coordination_id c') as unknown },
  });

  await writeFile(gate, '');
  await testCoordinator(fleet.nats);
  await waitFor(async () =>
    (await fleet.call('list', {})).tasks.every(({ status }) => status === 'completed'),
  );
});
