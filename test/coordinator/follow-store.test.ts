import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createStoreFollower, type StoreFollower } from '../../coordinator/follow-store.ts';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import { provision } from '../../coordinator/provision.ts';
import { createServerClock } from '../../coordinator/server-clock.ts';
import { createTaskStore, type TaskStore } from '../../coordinator/store.ts';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { names } from '../../protocol/subjects.ts';
import { natsIn } from '../support/nats-directory.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';
import {
  type OpenStores,
  openStores,
  requestOf,
  stateOf,
  storeEnded,
  storeLimits,
  testStores,
} from './task-store.ts';

const HOUR_MS = 3_600_000;

interface Following {
  readonly follower: StoreFollower;
  readonly mirror: Mirror;
  readonly advance: (ms: number) => void;
}

/** A coordinator's follower and mirror. Only `advance` and the time that really passes move its clock. */
async function follow(
  { stores }: OpenStores,
  wrap = (store: TaskStore): TaskStore => store,
): Promise<Following> {
  const began = performance.now();
  let extra_ms = 0;
  const clock = (): number => performance.now() - began + extra_ms;
  const server_clock = createServerClock(clock);
  const mirror = createMirror({ clock, onChange: () => undefined });
  const lifecycle = createLifecycle({ onError: () => undefined });
  onTestFinished(() => lifecycle.stop());
  const follower = createStoreFollower({
    store: wrap(createTaskStore(stores, server_clock.age)),
    mirror,
    server_clock,
    clock,
    signal: lifecycle.signal,
    handOver: lifecycle.handOver,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  await follower.start();
  return {
    follower,
    mirror,
    advance: ms => {
      extra_ms += ms;
    },
  };
}

const shown = (mirror: Mirror): string[] =>
  [...mirror.all()].map(({ task_id, state }) => `${task_id} ${state.status}`).sort();

/** Checks as a coordinator does on every tick, until it is so. */
const checkedUntil = async ({ follower, mirror, advance }: Following, expected: readonly string[]) => {
  await waitFor(async () => {
    await follower.check();
    advance(1_000);
    return follower.current && JSON.stringify(shown(mirror)) === JSON.stringify(expected);
  });
};

/** The same server and names, with another, empty store. */
async function replaceStore({ manager, connection, stores }: OpenStores): Promise<TaskStore> {
  for (const stream of [stores.streams.tasks, `KV_${stores.names.controlBucket}`])
    await manager.streams.delete(stream);
  return createTaskStore(await provision(jetstream(connection), manager, names(), storeLimits()));
}

describe('following the store', () => {
  test.each([0, 1, 300])('shows all %i tasks once it has started', async count => {
    const found = await testStores();
    for (let index = 0; index < count; index += 1) await found.store.createRequest(requestOf(`t${index}`));
    const { mirror } = await follow(found);
    expect([...mirror.all()]).toHaveLength(count);
  });

  test('starts in a store that holds nothing but left-over answers', async () => {
    const found = await testStores();
    await found.stores.tasks.put('old.result', '{}');
    const { follower, mirror } = await follow(found);
    await found.store.createRequest(requestOf('a'));
    await follower.syncTo();
    expect(shown(mirror)).toEqual(['a queued']);
  });

  test('knows what was stored before it was asked', async () => {
    const found = await testStores();
    const { follower, mirror } = await follow(found);
    for (let index = 0; index < 50; index += 1) {
      const revision = await found.store.createRequest(requestOf(`t${index}`));
      await follower.syncTo();
      expect(follower.seen).toBe(revision);
      expect(mirror.get(`t${index}`)?.seq).toBe(revision);
    }
  });

  test('goes on after an unreadable record', async () => {
    const found = await testStores();
    await found.stores.tasks.put('bad.state', 'garbage');
    const { follower, mirror } = await follow(found);
    await found.stores.tasks.put('bad.request', '\u0000');
    await found.store.createRequest(requestOf('a'));
    await follower.syncTo();
    expect(shown(mirror)).toEqual(['a queued']);
  });

  test('counts waits from when they were stored, by the clock of the server', async () => {
    const found = await testStores();
    await found.store.createRequest(requestOf('a'));
    await found.store.writeState({ ...stateOf('a', 'queued'), retry_after_ms: HOUR_MS / 6 }, 0);
    await storeEnded(found.store, 'b');
    const { mirror } = await follow(found, store => ({
      ...store,
      identity: async () => {
        const identity = await store.identity();
        const later_ms = Date.parse(identity?.timestamp ?? '') + HOUR_MS;
        return identity && { ...identity, timestamp: new Date(later_ms).toISOString() };
      },
    }));
    // To the nearest minute: the follower's own clock began at 0 just now.
    const minutes = (ms: number | undefined): number => Math.round((ms ?? Number.NaN) / 60_000);
    expect(minutes(mirror.get('a')?.accepted_since_ms)).toBe(-60);
    expect(minutes(mirror.get('a')?.queued_since_ms)).toBe(-60);
    expect(minutes(mirror.get('a')?.not_before_ms)).toBe(-50);
    expect(minutes(mirror.get('b')?.ended_since_ms)).toBe(-60);
  });

  test('goes on after a restart of the server', async () => {
    const found = await testStores();
    const following = await follow(found);
    await found.store.createRequest(requestOf('before'));
    await found.nats.kill();
    await found.nats.restart();
    await waitFor(() => found.store.createRequest(requestOf('after')));
    await checkedUntil(following, ['after queued', 'before queued']);
  });

  test('notices a watch that has fallen silent, and loses nothing of what it knew', async () => {
    const found = await testStores();
    let watches = 0;
    const following = await follow(found, store => ({
      ...store,
      watch: async function* (signal, from_revision) {
        watches += 1;
        const deafening = watches === 1;
        let deaf = false;
        for await (const watched of store.watch(signal, from_revision)) {
          deaf ||= deafening && watched.key === 'unheard.request';
          if (!deaf) yield watched;
        }
      },
    }));
    await found.store.createRequest(requestOf('heard'));
    await following.follower.syncTo();
    await found.store.createRequest(requestOf('unheard'));
    const own = (await found.store.createRequest(requestOf('own'))) ?? 0;
    following.mirror.apply({
      record: 'request',
      request: requestOf('own'),
      revision: own,
      created_at_ms: 0,
    });
    await found.store.createRequest(requestOf('unheard-2'));
    await checkedUntil(following, ['heard queued', 'own queued', 'unheard queued', 'unheard-2 queued']);
    expect(watches).toBe(2);
  });

  test('follows again after a watch that ends by itself', async () => {
    const found = await testStores();
    let watches = 0;
    const { follower, mirror } = await follow(found, store => ({
      ...store,
      watch: async function* (signal, from_revision) {
        watches += 1;
        if (watches === 2) throw new Error('no watch');
        for await (const watched of store.watch(signal, from_revision)) {
          yield watched;
          if (watches === 1) return;
        }
      },
    }));
    for (const task_id of ['a', 'b', 'c']) await found.store.createRequest(requestOf(task_id));
    await follower.syncTo();
    expect(shown(mirror)).toEqual(['a queued', 'b queued', 'c queued']);
    expect(watches).toBe(3);
  });
});

describe('a store that is another one all of a sudden', () => {
  test('is shown as it is when it was made anew', async () => {
    const found = await testStores();
    for (const task_id of ['a', 'b', 'c']) await storeEnded(found.store, task_id);
    const following = await follow(found);
    const store = await replaceStore(found);
    await store.createRequest(requestOf('b'));
    await checkedUntil(following, ['b queued']);
    expect(following.follower.seen).toBe(1);
    await store.createRequest(requestOf('d'));
    await following.follower.syncTo();
    expect(shown(following.mirror)).toEqual(['b queued', 'd queued']);
  });

  test('is waited for while it is not there at all', async () => {
    const found = await testStores();
    await found.store.createRequest(requestOf('a'));
    const following = await follow(found);
    await found.manager.streams.delete(found.stores.streams.tasks);
    await following.follower.check();
    await following.follower.check();
    expect(shown(following.mirror)).toEqual(['a queued']);
    await new Kvm(found.connection).create(names().tasksBucket, { history: 8 });
    await found.store.createRequest(requestOf('b'));
    await checkedUntil(following, ['b queued']);
  });

  test.each([
    ['and is shorter', 1],
    ['and has been written to since', 40],
  ])('is shown as it is when an older copy was put in its place %s', async (_what, written) => {
    const directory = join(await temporaryDirectory(), 'store');
    const copy = join(await temporaryDirectory(), 'copy');
    await mkdir(directory);
    const first = await natsIn(directory);
    const found = await openStores(first);
    const { store } = found;
    const revision = await store.createRequest(requestOf('a'));
    await first.stop();
    await cp(directory, copy, { recursive: true });

    const second = await natsIn(directory, first.port);
    await waitFor(() => store.writeState(stateOf('a', 'completed'), 0));
    for (let index = 0; index < 10; index += 1) await store.createRequest(requestOf(`later-${index}`));
    const following = await follow(found);
    expect(shown(following.mirror)).toHaveLength(11);
    await second.stop();

    await natsIn(copy, first.port);
    expect((await waitFor(() => found.manager.streams.info('KV_ccli_tasks'))).state.last_seq).toBe(revision);
    for (let index = 0; index < written; index += 1) await store.createRequest(requestOf(`new-${index}`));
    const expected = ['a queued', ...Array.from({ length: written }, (_, index) => `new-${index} queued`)];
    await checkedUntil(following, expected.sort());
    expect(following.mirror.get('a')?.state_revision).toBe(0);
  });
});
