import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../../coordinator/cli/run-cli.ts';
import { loadCoordinatorConfig } from '../../../coordinator/config.ts';
import { startNatsAlone } from '../../../coordinator/embedded/nats-alone.ts';
import { createLeaseStore } from '../../../coordinator/lease.ts';
import { provision } from '../../../coordinator/provision.ts';
import { names as namesOf } from '../../../protocol/subjects.ts';
import { processesMentioning } from '../../support/leaks.ts';
import { testNats } from '../../support/nats-server.ts';
import { plainEnvironment } from '../../support/plain-environment.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ccli, fakeIo } from './support/fake-io.ts';

const environment = plainEnvironment();

async function stores(url: string, prefix?: string) {
  const connection = await connect({ servers: url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const { store } = loadCoordinatorConfig(undefined, {});
  return await provision(jetstream(connection), manager, namesOf(prefix), store);
}

/** A server with a store, and one task in it. */
async function fleet(prefix?: string) {
  const nats = await testNats();
  const made = await stores(nats.url, prefix);
  await createLeaseStore(made.control).write({ holder: 'c', epoch: 1, fleet_id: 'old-life', beat: 0 }, 0);
  await made.tasks.create('a.request', 'of a');
  const backup = join(await temporaryDirectory(), 'backup');
  return { nats, backup, at: ['--nats', nats.url, ...(prefix === undefined ? [] : ['--prefix', prefix])] };
}

describe('ccli backup and ccli restore', () => {
  test('carry a store from one server to another', async () => {
    const { backup, at } = await fleet();
    const made = await ccli(['backup', backup, ...at]);
    expect(made.err).toContain('reading KV_ccli_tasks\n');
    expect(made.out).toMatch(/^backed up the 6 stores of fleet "ccli" \([\d.]+ KiB\) to .*backup\n$/);
    expect(made.code).toBe(0);

    const to = await testNats();
    const restored = await ccli(['restore', backup, '--nats', to.url]);
    expect(restored.out).toMatch(/^restored the 6 stores of fleet "ccli" \(.*\), as of \d{4}-/);
    expect(restored.code).toBe(0);
    const { tasks } = await stores(to.url);
    expect((await tasks.get('a.request'))?.string()).toBe('of a');
  });

  test('tell programs what was copied, and the new fleet_id', async () => {
    const { backup, at } = await fleet('other');
    const made = JSON.parse((await ccli(['backup', '--json', backup, ...at])).out) as object;
    expect(made).toMatchObject({ directory: backup, prefix: 'other', fleet_id: 'old-life' });
    const to = await testNats();
    const { out } = await ccli(['restore', '-q', '--json', backup, '--nats', to.url, '--prefix', 'other']);
    const restored = JSON.parse(out) as { fleet_id: string };
    expect(restored).toMatchObject({ directory: backup, prefix: 'other' });
    expect(restored.fleet_id).not.toBe('old-life');
  });

  test('refuse a target that is there, a store that is there, and another prefix', async () => {
    const { backup, at } = await fleet('other');
    await ccli(['backup', '-q', backup, ...at]);
    const again = await ccli(['backup', backup, ...at]);
    expect(again.code).toBe(2);
    expect(again.err).toContain('is there already');
    const over = await ccli(['restore', backup, ...at]);
    expect(over.code).toBe(2);
    expect(over.err).toContain('error store_not_empty');
    const strange = await ccli(['restore', backup, '--nats', (await testNats()).url]);
    expect(strange.code).toBe(2);
    expect(strange.err).toContain('restore it with --prefix other');
  });

  test('restore into the state directory of a fleet that is not up, and leave no server running', async () => {
    const { backup, at } = await fleet();
    await ccli(['backup', '-q', backup, ...at]);
    const state = join(await temporaryDirectory(), 'fleet');
    const { code, err } = await ccli(['restore', backup, '--state', state], { environment });
    expect(err).toContain(`in ${state}\n`);
    expect(code).toBe(0);
    expect(await processesMentioning(state)).toEqual([]);

    const nats = await startNatsAlone({ state_dir: state, environment, onStage: () => undefined });
    onTestFinished(nats.stop);
    const busy = await ccli(['restore', backup, '--state', state], { environment });
    expect(busy.code).toBe(2);
    expect(busy.err).toContain('error state_in_use');
    const { tasks } = await stores(nats.url);
    expect((await tasks.get('a.request'))?.string()).toBe('of a');
  });

  test('a restore that is interrupted takes back what it made', async () => {
    const { backup, at } = await fleet();
    await ccli(['backup', '-q', backup, ...at]);
    const to = await testNats();
    const run = fakeIo();
    const code = runCli(['restore', backup, '--nats', to.url], run.io);
    await waitFor(() => run.err().includes('writing'), { pause_ms: 1 });
    run.interrupt();
    expect(await code).toBe(130);
    expect(run.err()).toContain('Interrupted; what was written is taken back.');
    expect(run.listeners()).toBe(0);
    const connection = await connect({ servers: to.url });
    onTestFinished(() => connection.close());
    expect(await (await jetstreamManager(connection)).streams.names().next()).toEqual([]);
  });
});
