import { expect, test } from 'vitest';
import type { AttemptCare } from '../../coordinator/attempt.ts';
import { createDispatcher } from '../../coordinator/dispatcher.ts';
import { createFleet } from '../../coordinator/fleet.ts';
import { createMirror } from '../../coordinator/mirror.ts';
import { createPlanner } from '../../coordinator/planner.ts';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { waitFor } from '../support/wait.ts';

const log = createLog({ level: 'silent', name: 'test' });

test('a coordinator that leads no more forgets what it found the queued tasks to wait for', async () => {
  const clock = (): number => 0;
  const nothing = (): void => undefined;
  const mirror = createMirror({ clock, onChange: nothing });
  const fleet = createFleet({ prefix: 'ccli', clock, settle_ms: 0, onChange: nothing, onNode: nothing, log });
  const lifecycle = createLifecycle({
    onError: error => {
      throw error;
    },
  });
  const never = (): Promise<never> =>
    Promise.reject(new Error('nothing is to be done about a task that waits'));
  const care: AttemptCare = { ask: never, recall: never, stop: never, giveUp: never };
  let leads = true;
  const dispatcher = createDispatcher({
    mirror,
    planner: createPlanner({ mirror, fleet, fallback: {}, clock }),
    fleet,
    steps: { take: never, inTurn: (_task_id, work) => work() },
    care,
    leadership: {
      holds: () => leads,
      mandate: { fleet_id: 'f', epoch: 1 },
      seen: undefined,
      superseded: nothing,
      start: never,
    },
    current: () => true,
    clock,
    lost_after_ms: 10_000,
    reportsFolded: never,
    onPlaced: nothing,
    lifecycle,
    log,
  });
  const prompt = { inline: 'x' };
  const request = { v: 1, task_id: 'task', caller: 'local', prompt, prompt_bytes: 1, options: {} };
  mirror.apply({ record: 'request', request, revision: 1, created_at_ms: 0 });
  const note = (): string | undefined => mirror.get('task')?.waiting_for;

  dispatcher.activate();
  await waitFor(() => note() !== undefined, { what: 'the task being planned' });
  expect(note()).toContain('No agent has joined');

  leads = false;
  dispatcher.activate();
  expect(note()).toBeUndefined();
  await lifecycle.stop();
});
