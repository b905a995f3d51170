/** Requests that do not wait for the answer before them. */
import { expect, test } from 'vitest';
import { CcliError } from '../../../protocol/errors.ts';
import { waitFor } from '../../support/wait.ts';
import { openDoor } from './support/open-door.ts';
import { rawClient } from './support/raw-client.ts';

const ASK = 'GET /api/tasks/t1?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function slowDoor(limits: { stalled?: number } = {}) {
  const waiting: (() => void)[] = [];
  let begun = 0;
  const { url } = await openDoor({
    limits,
    operations: {
      get: () =>
        new Promise((_resolve, reject) => {
          begun += 1;
          waiting.push(() => {
            reject(new CcliError('task_unknown'));
          });
        }),
    },
  });
  return { url, waiting, begun: () => begun };
}

test('are begun sixteen at a time on a connection, and all answered in the end', async () => {
  const { url, waiting, begun } = await slowDoor();
  const client = await rawClient(url);
  await client.send(ASK.repeat(3_000));
  await waitFor(() => begun() === 16);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toMatch(/^ccli_http_requests_in_flight 17$/m);
  // Each answer makes room for one more.
  await waitFor(
    () => {
      for (const end of waiting.splice(0)) end();
      return begun() === 3_000 && waiting.length === 0;
    },
    { pause_ms: 1 },
  );
  await waitFor(() => client.received().split('HTTP/1.1 404').length === 3_001);
});

test('leave a body behind them whole', async () => {
  const { url, waiting, begun } = await slowDoor();
  const client = await rawClient(url);
  const body = JSON.stringify({ prompt: 'x'.repeat(300_000) });
  const post = `POST /api/tasks/t1/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  await client.send(ASK.repeat(20));
  await waitFor(() => begun() === 16);
  const sent = client.send(post);
  await waitFor(() => {
    for (const end of waiting.splice(0)) end();
    return begun() === 20 && waiting.length === 0;
  });
  await sent;
  expect(await client.closed()).toContain('HTTP/1.1 415');
});

test('are given up when nothing of them moves for long', async () => {
  const { url, begun } = await slowDoor({ stalled: 300 });
  const client = await rawClient(url);
  await client.send(ASK.repeat(100));
  await client.closed();
  expect(begun()).toBe(16);
});
