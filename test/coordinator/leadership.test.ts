import { jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLeadership, type Leadership, type Mandate } from '../../coordinator/leadership.ts';
import {
  createLeaseStore,
  type HolderProcess,
  LEASE_KEY,
  type LeaseStore,
  ownProcess,
} from '../../coordinator/lease.ts';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { testNats } from '../support/nats-server.ts';
import { waitFor } from '../support/wait.ts';

const LEASE_MS = 400;
const log = createLog({ level: 'silent', name: 'test' });

interface Candidate extends Leadership {
  /** What it was told of itself, oldest first. */
  readonly told: (Mandate | 'follow' | 'regain')[];
  /** Lets its clock run ahead, as after the process was stopped for so long. */
  readonly pass: (ms: number) => void;
  readonly stop: () => Promise<void>;
}

async function controlBucket(): Promise<KV> {
  const nats = await testNats();
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  return await new Kvm(jetstream(connection)).create('control', { history: 8 });
}

async function candidate(
  coordinator_id: string,
  store: LeaseStore,
  holder?: HolderProcess,
): Promise<Candidate> {
  let ahead = 0;
  const told: Candidate['told'] = [];
  const lifecycle = createLifecycle({
    onError: error => {
      throw error;
    },
  });
  onTestFinished(() => lifecycle.stop());
  const leadership = createLeadership({
    store,
    coordinator_id,
    process: holder,
    lease_ms: LEASE_MS,
    clock: () => performance.now() + ahead,
    onLead: mandate => told.push(mandate),
    onRegain: () => told.push('regain'),
    onFollow: () => told.push('follow'),
    lifecycle,
    log,
  });
  await leadership.start();
  return Object.assign(leadership, {
    told,
    pass: (ms: number) => {
      ahead += ms;
    },
    stop: () => lifecycle.stop(),
  });
}

const leads = (one: Candidate): Promise<true> => waitFor(() => one.holds(), { what: 'a leader' });

describe('of several coordinators', () => {
  test('the first leads, and the others know of it', async () => {
    const store = createLeaseStore(await controlBucket());
    const first = await candidate('first', store);
    const second = await candidate('second', store);
    expect([first.holds(), second.holds()]).toEqual([true, false]);
    expect(first.mandate.epoch).toBe(1);
    expect(second.seen).toMatchObject({ holder: 'first', epoch: 1, fleet_id: first.mandate.fleet_id });
  });

  test('exactly one leads, however many start at once', async () => {
    const store = createLeaseStore(await controlBucket());
    const all = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => candidate(name, store)));
    expect(all.filter(one => one.holds())).toHaveLength(1);
  });

  test('one that stops in good order hands over at once, and the next leads the same fleet under a higher epoch', async () => {
    const store = createLeaseStore(await controlBucket());
    const first = await candidate('first', store);
    const second = await candidate('second', store);
    await first.stop();
    await leads(second);
    expect(second.mandate).toEqual({ fleet_id: first.mandate.fleet_id, epoch: 2 });
    expect(first.holds()).toBe(false);
  });

  test('one whose process is known to be dead is followed without waiting for its lease', async () => {
    const store = createLeaseStore(await controlBucket());
    const own = await ownProcess();
    if (own === undefined) throw new Error('this host cannot tell processes apart');
    const dead = { ...own, process_start: 'an earlier process of this id' };
    await store.write({ holder: 'dead', epoch: 4, fleet_id: 'f', beat: 0, process: dead }, 0);
    const next = await candidate('next', store, own);
    expect(next.holds()).toBe(true);
    expect(next.mandate.epoch).toBe(5);
  });

  test.each([
    ['lives', {}],
    ['is of another host', { space: 'elsewhere', process_start: 'unknown here' }],
  ])('one whose process %s is waited for', async (_what, over) => {
    const store = createLeaseStore(await controlBucket());
    const own = await ownProcess();
    if (own === undefined) throw new Error('this host cannot tell processes apart');
    const process = { ...own, ...over };
    await store.write({ holder: 'other', epoch: 4, fleet_id: 'f', beat: 0, process }, 0);
    const next = await candidate('next', store, own);
    expect(next.holds()).toBe(false);
    await leads(next);
  });

  test('one that was stopped for longer than its lease decides nothing before it has looked', async () => {
    const store = createLeaseStore(await controlBucket());
    const first = await candidate('first', store);
    first.pass(LEASE_MS);
    expect(first.holds()).toBe(false);
    // Nobody was there to take over: it goes on as it was, and knows that it has missed something.
    await leads(first);
    expect(first.told).toEqual([{ fleet_id: first.mandate.fleet_id, epoch: 1 }, 'regain']);
  });

  test('one whose renewals do not come through is followed by another, and follows once they do', async () => {
    const store = createLeaseStore(await controlBucket());
    let cut_off = false;
    const reachable = async <T>(work: () => Promise<T>): Promise<T> => {
      if (cut_off) throw new Error('cut off');
      return await work();
    };
    const first = await candidate('first', {
      read: () => reachable(() => store.read()),
      write: (lease, revision) => reachable(() => store.write(lease, revision)),
    });
    const second = await candidate('second', store);
    cut_off = true;
    await leads(second);
    expect(first.holds()).toBe(false);
    expect(second.mandate.epoch).toBe(2);
    cut_off = false;
    await waitFor(() => first.told.includes('follow'), { what: 'the first following' });
    expect(first.mandate.epoch).toBe(1);
    expect([first.holds(), second.holds()]).toEqual([false, true]);
  });

  test('one whose renewal was written while its answer was lost still leads, under the same epoch', async () => {
    const store = createLeaseStore(await controlBucket());
    let lost = 0;
    const first = await candidate('first', {
      read: () => store.read(),
      async write(lease, revision) {
        const written = await store.write(lease, revision);
        if (lease.beat === 0 || lost > 0) return written;
        lost += 1;
        throw new Error('the answer was lost');
      },
    });
    await waitFor(() => (first.seen?.beat ?? 0) > 3 && lost === 1, {
      what: 'renewals after the lost answer',
    });
    expect(first.holds()).toBe(true);
    expect(first.told).toEqual([{ fleet_id: first.mandate.fleet_id, epoch: 1 }]);
  });

  test('one that a node tells of a newer epoch follows, and leads again only under a higher one', async () => {
    const store = createLeaseStore(await controlBucket());
    const first = await candidate('first', store);
    first.superseded(9);
    expect(first.holds()).toBe(false);
    await leads(first);
    expect(first.mandate.epoch).toBe(10);
    expect(first.told).toMatchObject([{ epoch: 1 }, 'follow', { epoch: 10 }]);
  });
});

test('a store whose lease has vanished is another fleet', async () => {
  const control = await controlBucket();
  const first = await candidate('first', createLeaseStore(control));
  const { fleet_id } = first.mandate;
  await control.purge(LEASE_KEY);
  await waitFor(() => first.mandate.fleet_id !== fleet_id && first.holds(), { what: 'another fleet' });
});

test('a lease that cannot be read is refused as damage, and not overwritten', async () => {
  const control = await controlBucket();
  await control.put(LEASE_KEY, 'rubbish');
  await expect(candidate('first', createLeaseStore(control))).rejects.toMatchObject({
    code: 'store_damaged',
  });
  expect((await control.get(LEASE_KEY))?.string()).toBe('rubbish');
});
