import { expect, test } from 'vitest';
import { askUntilAnswered } from '../../../../coordinator/cli/coordination/ask.ts';
import { createPartStages } from '../../../../coordinator/cli/coordination/part-stages.ts';
import { watchParts } from '../../../../coordinator/cli/coordination/watch.ts';
import { silentProgress } from '../../../../coordinator/cli/progress.ts';
import type { Operations } from '../../../../coordinator/operations.ts';
import type { CoordinateReply } from '../../../../protocol/coordination.ts';
import { CcliError } from '../../../../protocol/errors.ts';
import type { TaskSummary } from '../../../../protocol/operation.ts';

const REPLY: CoordinateReply = {
  coordination_id: 'c1',
  strategy: 'all',
  status: 'completed',
  parts: [],
  notes: [],
  took_ms: 1,
};

const REQUEST = { coordination_id: 'c1', prompt: 'x' };

/** Nobody asks anything else here. */
const only = (some: Pick<Operations, 'coordinate'> | Pick<Operations, 'list'>): Operations =>
  new Proxy(some as Operations, {
    get(target, name) {
      if (Reflect.has(target, name)) return Reflect.get(target, name) as unknown;
      throw new CcliError('internal', `${String(name)} was not expected.`);
    },
  });

/** Answers from the second time on; the first one hears only of an abort, like a coordinator that was killed. */
function killed(): { operations: Operations; asked: () => number } {
  let asked = 0;
  const coordinate: Operations['coordinate'] = (_request, { signal }) => {
    asked += 1;
    if (asked > 1) return Promise.resolve(REPLY);
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason instanceof Error ? signal.reason : new CcliError('cancelled'));
      });
    });
  };
  return { operations: only({ coordinate }), asked: () => asked };
}

test('a coordination whose coordinator is gone is asked for again', async () => {
  const { operations, asked } = killed();
  const stalled = new EventTarget();
  const { signal } = new AbortController();
  const reply = askUntilAnswered({ operations, request: REQUEST, progress: silentProgress, stalled, signal });
  stalled.dispatchEvent(new Event('stalled'));
  expect(await reply).toEqual(REPLY);
  expect(asked()).toBe(2);
});

test('asking ends with the reason of whoever ends it', async () => {
  const { operations, asked } = killed();
  const over = new AbortController();
  const options = { operations, request: REQUEST, progress: silentProgress, stalled: new EventTarget() };
  const reply = askUntilAnswered({ ...options, signal: over.signal });
  over.abort(new CcliError('cancelled', 'Enough.'));
  await expect(reply).rejects.toMatchObject({ code: 'cancelled', message: 'Enough.' });
  expect(asked()).toBe(1);
});

const summary = (status: TaskSummary['status']): TaskSummary => ({
  task_id: 't',
  status,
  caller: 'local',
  prompt_bytes: 1,
  attempts: 1,
  created_at_ms: 1,
  updated_at_ms: 1,
});

async function stalls(status: TaskSummary['status']): Promise<boolean> {
  const ended = new AbortController();
  const stalled = new EventTarget();
  let says = false;
  stalled.addEventListener('stalled', () => {
    says = true;
  });
  let turns = 0;
  const list: Operations['list'] = () => {
    turns += 1;
    if (turns > 3) ended.abort();
    return Promise.resolve({ tasks: [summary(status)] });
  };
  const stages = createPartStages(silentProgress, REPLY);
  const options = { operations: only({ list }), coordination_id: 'c1', stages, progress: silentProgress };
  await watchParts({ ...options, stalled_ms: 0, ended: ended.signal, stalled }).done;
  return says;
}

test('a coordination stalls when nothing of it is under way and no reply has come', async () => {
  expect(await stalls('completed')).toBe(true);
  expect(await stalls('running')).toBe(false);
});
