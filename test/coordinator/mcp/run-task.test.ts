/** Calls that are cancelled while nobody can tell whether their task was stored. */
import { expect, test } from 'vitest';
import type { McpDoor } from '../../../coordinator/mcp/door.ts';
import { runTask } from '../../../coordinator/mcp/run-task.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';

test.each(['nats_unreachable', 'store_unavailable'] as const)(
  'a cancelled call whose submit ended with %s cancels the task that may be there',
  async code => {
    const user = new AbortController();
    const cancelled: string[] = [];
    const operations = {
      submit: () => {
        user.abort();
        return Promise.reject(new CcliError(code));
      },
      cancel: ({ task_id }: { readonly task_id: string }) => {
        cancelled.push(task_id);
        // The first is lost with the connection.
        return cancelled.length === 1
          ? Promise.reject(new CcliError('nats_unreachable'))
          : Promise.resolve({});
      },
    };
    const door = {
      operations,
      streams: {},
      caller: 'alice',
      wait_ms: 60_000,
      stopping: new AbortController().signal,
      onCall: () => undefined,
      log: createLog({ level: 'silent', name: 'test' }),
    } as unknown as McpDoor;
    const progress = { say: () => undefined, grown: () => undefined, close: () => undefined };
    const call = runTask(
      door,
      { prompt: 'x', options: {}, wait_ms: 60_000 },
      { signal: user.signal, progress },
    );
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    expect(new Set(cancelled).size).toBe(1);
    expect(cancelled).toHaveLength(2);
  },
);
