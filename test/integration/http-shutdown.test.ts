/** A coordinator that stops, seen by those who are at its HTTP door. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rawClient } from '../coordinator/http/support/raw-client.ts';
import { scriptedAgent, testCoordinator, testFleet } from '../support/fleet.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

test('whoever follows or waits is told, and what was accepted goes on', async () => {
  const fleet = await testFleet({ http: { enabled: true } });
  await fleet.startNode({ agents: [scriptedAgent('walnut-scripted')] });
  await fleet.agentReady('walnut-scripted');
  const url = fleet.coordinator.http_url ?? '';
  const gate = join(await temporaryDirectory(), 'gate');
  const submit = (extra: object): Promise<Response> =>
    fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: `#${JSON.stringify({ gate, say: 'done' })}`, ...extra }),
    });
  const { task_id } = (await (await submit({})).json()) as { task_id: string };
  await fleet.reaches(task_id, 'running');

  const of_task = await rawClient(url);
  await of_task.send(`GET /api/tasks/${task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await of_task.until('event: state');
  const of_fleet = await rawClient(url);
  await of_fleet.send('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await of_fleet.until('retry:');
  const waiting = submit({ wait: true });
  await waitFor(async () => (await fleet.call('list', {})).tasks.length === 2);

  const [answer] = await Promise.all([waiting, fleet.coordinator.stop()]);
  // As it stands: it was accepted.
  expect(answer.status).toBe(202);
  for (const stream of [of_task, of_fleet]) {
    const said = await stream.closed();
    expect(said).toContain('event: closed');
    expect(said).toContain('shutting_down');
    // The end of the answer, and not merely of its connection.
    expect(said).toMatch(/\r\n0\r\n\r\n$/);
  }

  await writeFile(gate, '');
  await testCoordinator(fleet.nats);
  await fleet.reaches(task_id, 'completed');
});
