/** A key that is revoked while somebody who came with it is still being answered. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scriptedAgent, testFleet } from '../../../support/fleet.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { script } from '../support/api.ts';
import { keysFile } from '../support/keys-file.ts';
import { readEvents } from '../support/sse-reader.ts';

const KEYS = { ada: 'secret-key-of-ada', bob: 'secret-key-of-bob' };
type Caller = keyof typeof KEYS;

async function open() {
  const { path, replace } = await keysFile(`ada ${KEYS.ada}\nbob ${KEYS.bob}\n`);
  const fleet = await testFleet({ http: { enabled: true, keys_file: path } });
  await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
  await fleet.agentReady('walnut-echo');
  const url = fleet.coordinator.http_url ?? '';
  const as = (caller: Caller): Record<string, string> => ({ 'x-api-key': KEYS[caller] });
  const gate = join(await temporaryDirectory(), 'gate');
  const response = await fetch(`${url}/api/tasks`, {
    method: 'POST',
    headers: { ...as('ada'), 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: script({ gate, say: 'done' }) }),
  });
  const { task_id } = (await response.json()) as { task_id: string };
  await fleet.reaches(task_id, 'running');
  return { fleet, url, as, gate, task_id, replace };
}

test('ends its streams with the reason, and nobody else', async () => {
  const { url, as, gate, task_id, replace } = await open();
  const path = `${url}/api/tasks/${task_id}/events`;
  const [of_task, of_fleet, of_bob] = await Promise.all([
    readEvents(path, as('ada')),
    readEvents(`${url}/api/events`, as('ada')),
    readEvents(path, as('bob')),
  ]);
  await Promise.all([of_task.until('state'), of_bob.until('state')]);
  await replace(`bob ${KEYS.bob}\n`);
  for (const stream of [of_task, of_fleet]) {
    const said = (await stream.rest()).at(-1);
    expect(said?.event).toBe('closed');
    expect(JSON.parse(said?.data ?? '')).toMatchObject({ error: { code: 'unauthorized' } });
  }
  await writeFile(gate, '');
  expect((await of_bob.rest()).at(-1)?.event).toBe('result');
});

test('refuses whoever waits, and leaves the task alone', async () => {
  const { fleet, url, as, gate, task_id, replace } = await open();
  const wait = (caller: Caller): Promise<Response> =>
    fetch(`${url}/api/tasks/${task_id}?wait=60`, { headers: as(caller) });
  const waiting = wait('ada');
  const of_bob = wait('bob');
  const metrics = async (): Promise<string> =>
    await (await fetch(`${url}/metrics`, { headers: as('bob') })).text();
  // These, and the request that asks.
  await waitFor(async () => /^ccli_http_requests_in_flight 3$/m.test(await metrics()));
  await replace(`bob ${KEYS.bob}\n`);
  const refused = await waiting;
  expect(refused.status).toBe(401);
  expect(await refused.json()).toMatchObject({ code: 'unauthorized' });
  await writeFile(gate, '');
  expect(await (await of_bob).json()).toMatchObject({ status: 'completed' });
  await fleet.reaches(task_id, 'completed');
});

test('closes what nothing more can be said on', async () => {
  const { url, as, gate, replace } = await open();
  const stream = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...as('ada'), 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'walnut-echo',
      stream: true,
      messages: [{ role: 'user', content: script({ gate, say: 'done' }) }],
    }),
  });
  expect(stream.status).toBe(200);
  await replace(`bob ${KEYS.bob}\n`);
  const said = await stream.text().catch(() => 'broken off');
  expect(said).not.toContain('[DONE]');
});
