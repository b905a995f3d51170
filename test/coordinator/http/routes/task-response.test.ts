import { describe, expect, test } from 'vitest';
import { CcliError } from '../../../../protocol/errors.ts';
import type { TaskView } from '../../../../protocol/operation.ts';
import { waitFor } from '../../../support/wait.ts';
import { openDoor } from '../support/open-door.ts';

const SLICE = 'x'.repeat(1_000);

/** Completed, with an answer in three slices of which only some can still be had. */
const withSlices = (there: number) => {
  const view: TaskView = {
    task_id: 't',
    status: 'completed',
    caller: 'local',
    prompt_bytes: 1,
    options: {},
    attempts: [],
    response_ref: { slices: 3, size_bytes: 3 * SLICE.length, sha256: '0'.repeat(64) },
    created_at_ms: 0,
    updated_at_ms: 0,
  };
  return {
    get: () => Promise.resolve(view),
    download: ({ index }: { index: number }) =>
      index < there
        ? Promise.resolve({ data: Buffer.from(SLICE).toString('base64') })
        : Promise.reject(new CcliError('slices_incomplete', 'gone')),
  };
};

describe('GET /api/tasks/{id}/response of a long answer', () => {
  test('gives slice after slice', async () => {
    const door = await openDoor({ operations: withSlices(3) });
    const answer = await fetch(`${door.url}/api/tasks/t/response`);
    expect(await answer.text()).toBe(SLICE.repeat(3));
  });

  test('is a problem when it is gone', async () => {
    const door = await openDoor({ operations: withSlices(0) });
    const answer = await fetch(`${door.url}/api/tasks/t/response`);
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ code: 'slices_incomplete' });
  });

  test('breaks off rather than pass for whole when some of it is gone', async () => {
    const door = await openDoor({ operations: withSlices(2) });
    const answer = await fetch(`${door.url}/api/tasks/t/response`);
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    await waitFor(() => door.logged('response_broken_off').length === 1);
  });
});
