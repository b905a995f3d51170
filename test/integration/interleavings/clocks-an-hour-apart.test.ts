import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { callOperation } from '../../support/fleet.ts';
import { expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const HOUR_MS = 3_600_000;
const HOOK = pathToFileURL(join(import.meta.dirname, '..', '..', 'support', 'clock-step.mjs')).href;

async function clockOff(offset_ms: number): Promise<Record<string, string>> {
  const file = join(await temporaryDirectory(), 'offset');
  await writeFile(file, String(offset_ms));
  return { NODE_OPTIONS: `--import=${HOOK}`, CLOCK_OFFSET_FILE: file };
}

test('hosts whose clocks are an hour apart work together, and one takes over from the other', async () => {
  const fleet = await stage();
  const ahead = await fleet.coordinator({ environment: await clockOff(HOUR_MS) });
  const { epoch } = await fleet.leads(ahead);
  const behind = await fleet.coordinator({ environment: await clockOff(-HOUR_MS) });
  await fleet.node({ environment: await clockOff(-HOUR_MS) });
  await fleet.node({ node: 'ironwood', environment: await clockOff(HOUR_MS) });
  const started = /"time":"([^"]+)"/;
  const apart_ms =
    Date.parse(started.exec(ahead.daemon.log())?.[1] ?? '') -
    Date.parse(started.exec(behind.daemon.log())?.[1] ?? '');
  expect(apart_ms).toBeGreaterThan(HOUR_MS);

  const gate = join(await temporaryDirectory(), 'open');
  // What may take a minute does not run out because another host thinks it is two hours later.
  const limits = { deadline_ms: 60_000, max_queue_ms: 60_000, timeout_ms: 60_000 };
  const tasks = ['one', 'two', 'three', 'four', 'five', 'six'];
  for (const task_id of tasks)
    await fleet.submit({ task_id, prompt: script({ say: task_id, gate }), ...limits });
  for (const task_id of tasks.slice(0, 4)) await fleet.reaches(task_id, 'running');
  expect((await fleet.lease()).epoch).toBe(epoch);
  const { nodes } = await callOperation(fleet.connection, 'nodes', {});
  expect(nodes.map(node => node.alive)).toEqual([true, true]);

  await killed(ahead.daemon);
  await fleet.leads(behind);
  await writeFile(gate, '');
  for (const task_id of tasks) {
    const state = await expectEndedOnce(fleet, task_id, { status: 'completed', text: task_id });
    expect(state.attempts).toHaveLength(1);
  }
  expect((await fleet.lease()).epoch).toBe(epoch + 1);
});
