import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createAnswerBudget } from '../../../coordinator/http/answer-budget.ts';
import type { TaskView } from '../../../protocol/operation.ts';
import { waitFor } from '../../support/wait.ts';
import { openDoor } from './support/open-door.ts';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

function answering(client: string) {
  const socket = new Socket();
  sockets.push(socket);
  const outgoing = new ServerResponse(new IncomingMessage(socket));
  const hung_up = new AbortController();
  return {
    client,
    outgoing,
    signal: hung_up.signal,
    hangUp: () => {
      hung_up.abort();
    },
  };
}

const overloaded: unknown = expect.objectContaining({ code: 'overloaded', retry_after_ms: 1_000 });

describe('the memory for answers', () => {
  test('is held until an answer is out or its client has gone, and given back once', () => {
    const budget = createAnswerBudget(1_000);
    const [one, other, third] = [answering('ann'), answering('bob'), answering('cid')];
    budget.take(one, 100);
    budget.take(other, 100);
    expect(budget.bytes).toBe(800);
    expect(() => {
      budget.take(third, 100);
    }).toThrow(overloaded);
    one.outgoing.emit('close');
    one.hangUp();
    expect(budget.bytes).toBe(400);
    budget.take(third, 100);
    other.hangUp();
    third.outgoing.emit('close');
    expect(budget.bytes).toBe(0);
  });

  test('lets one through whatever its size, and leaves half of it to others', () => {
    const budget = createAnswerBudget(1_000);
    const huge = answering('ann');
    budget.take(huge, 1_000_000);
    huge.hangUp();
    budget.take(answering('ann'), 100);
    expect(() => {
      budget.take(answering('ann'), 100);
    }).toThrow(overloaded);
    budget.take(answering('bob'), 100);
    expect(budget.bytes).toBe(800);
  });

  test('is not taken for a client who has gone already', () => {
    const budget = createAnswerBudget(1_000);
    const gone = answering('ann');
    gone.hangUp();
    expect(() => {
      budget.take(gone, 1);
    }).toThrow();
    expect(budget.bytes).toBe(0);
  });
});

const TEXT = 'x'.repeat(1_000);
const SHA256 = createHash('sha256').update(TEXT).digest('hex');

/** Completed, with an answer that is not inline, and whose slices come when the test says so. */
function longAnswer() {
  const opened: (() => void)[] = [];
  let shut = true;
  const view: TaskView = {
    task_id: 't',
    status: 'completed',
    caller: 'local',
    prompt_bytes: 1,
    options: {},
    attempts: [],
    response_ref: { slices: 1, size_bytes: TEXT.length, sha256: SHA256 },
    created_at_ms: 0,
    updated_at_ms: 0,
  };
  const download = async (): Promise<{ data: string }> => {
    if (shut) await new Promise<void>(resolve => opened.push(resolve));
    return { data: Buffer.from(TEXT).toString('base64') };
  };
  return {
    waiting: () => opened.length,
    open: () => {
      shut = false;
      for (const resolve of opened.splice(0)) resolve();
    },
    operations: {
      get: () => Promise.resolve(view),
      submit: () => Promise.resolve(view),
      download,
    },
  };
}

const submitted = (body: object): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('long answers over HTTP', () => {
  test('are refused while there is no room for them, and whoever submitted is told where the task is', async () => {
    const answer = longAnswer();
    const door = await openDoor({ operations: answer.operations, limits: { answers: 7_999 } });
    const first = fetch(`${door.url}/api/tasks/t`);
    await waitFor(() => answer.waiting() === 1);

    const shown = await fetch(`${door.url}/api/tasks/t`);
    expect([shown.status, shown.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await shown.json()).toMatchObject({ code: 'overloaded', retryable: true });
    for (const wait of [true, undefined]) {
      const posted = await fetch(`${door.url}/api/tasks`, submitted({ prompt: 'x', wait }));
      expect([posted.status, posted.headers.get('retry-after')]).toEqual([503, '1']);
      expect(posted.headers.get('location')).toBe('/api/tasks/t');
      expect(await posted.json()).toMatchObject({
        code: 'overloaded',
        task_id: 't',
        task_status: 'completed',
      });
    }

    answer.open();
    expect((await first).status).toBe(200);
    expect(await (await first).json()).toMatchObject({ response: TEXT });
    const again = await fetch(`${door.url}/api/tasks`, submitted({ prompt: 'x', wait: true }));
    expect(again.status).toBe(200);
  });

  test('make room again when their client hangs up', async () => {
    const answer = longAnswer();
    const door = await openDoor({ operations: answer.operations, limits: { answers: 7_999 } });
    const { hostname, port, host } = new URL(door.url);
    const client = connect(Number(port), hostname);
    await once(client, 'connect');
    client.write(`GET /api/tasks/t HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await waitFor(() => answer.waiting() === 1);
    expect((await fetch(`${door.url}/api/tasks/t`)).status).toBe(503);
    client.destroy();
    // Slices that nobody waits for any more come at last; the room was free before.
    const statuses = waitFor(async () => {
      const reply = await fetch(`${door.url}/api/tasks/t`);
      return reply.status === 200 && reply.json();
    });
    await waitFor(() => answer.waiting() === 2);
    answer.open();
    expect(await statuses).toMatchObject({ response: TEXT });
  });
});
