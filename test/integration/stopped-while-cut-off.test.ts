import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { script, stage } from '../support/stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

/** Told to stop once, and no more than that. */
async function exitCode(daemon: DaemonProcess): Promise<number | undefined> {
  let exit: { readonly code: number | undefined } | undefined;
  void daemon.ended.then(code => {
    exit = { code };
  });
  daemon.signal('SIGTERM');
  const { code } = await waitFor(() => exit, { what: 'the end of the daemon' }).catch((cause: unknown) => {
    throw new Error(daemon.log(), { cause });
  });
  return code;
}

test.each(['cut', 'partition'] as const)('a node-agent behind a %s stops when it is told to', async how => {
  const fleet = await stage();
  const { daemon, proxy } = await fleet.node();
  proxy[how]();
  expect(await exitCode(daemon)).toBe(0);
  expect(daemon.log()).toContain('"event":"stopped"');
  expect(daemon.log()).not.toContain('unexpected_error');
});

test.each(['cut', 'partition'] as const)(
  'coordinators behind a %s stop when they are told to, leader or not',
  async how => {
    const fleet = await stage();
    const leader = await fleet.coordinator();
    await fleet.leads(leader);
    const follower = await fleet.coordinator();
    leader.proxy[how]();
    follower.proxy[how]();
    expect(await Promise.all([exitCode(leader.daemon), exitCode(follower.daemon)])).toEqual([0, 0]);
  },
);

test('a node-agent that is cut off with a result in hand stops, and its next life hands it in', async () => {
  const fleet = await stage();
  const coordinator = await fleet.coordinator();
  await fleet.leads(coordinator);
  const { daemon, proxy, state_dir } = await fleet.node();
  const gate = join(await temporaryDirectory(), 'open');
  await fleet.submit({ task_id: 'kept', prompt: script({ say: 'kept', gate }) });
  await fleet.reaches('kept', 'running');
  proxy.partition();
  await writeFile(gate, '');
  await daemon.logged('attempt_finished');
  expect(await exitCode(daemon)).toBe(0);
  expect(daemon.log()).toContain('"event":"results_left_on_disk"');
  await fleet.node({ state_dir });
  expect((await fleet.ended('kept')).status).toBe('completed');
});
