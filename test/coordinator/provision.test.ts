import {
  DiscardPolicy,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import { describe, expect, test } from 'vitest';
import { provision, resetReportsConsumer } from '../../coordinator/provision.ts';
import { names } from '../../protocol/subjects.ts';
import { monitoredNats } from '../support/monitored-nats.ts';
import { testNats } from '../support/nats-server.ts';
import { storeLimits, testConnection } from './task-store.ts';

interface Server {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly make: (over?: Parameters<typeof storeLimits>[0]) => ReturnType<typeof provision>;
}

async function server(nats?: { readonly url: string }): Promise<Server> {
  const connection = await testConnection(nats ?? (await testNats()));
  const manager = await jetstreamManager(connection);
  return {
    connection,
    manager,
    make: over => provision(jetstream(connection), manager, names(), storeLimits(over)),
  };
}

/** What the server holds, word for word. */
async function picture({ manager }: Server): Promise<string[]> {
  const streams: string[] = [];
  for await (const { config, state, created } of manager.streams.list())
    streams.push(JSON.stringify({ config, state, created }));
  return streams.sort();
}

async function refusesNaming(found: Server, name: string): Promise<void> {
  const refused = found.make();
  await expect(refused).rejects.toThrow(name);
  await expect(refused).rejects.toMatchObject({ code: 'store_damaged' });
}

const schema = async ({ connection }: Server) => await new Kvm(connection).open('ccli_control');

describe('the stores', () => {
  test('are found again on a server that has room for them once, and not twice', async () => {
    const { output: _memory, ...files } = storeLimits();
    const sum = Object.values(files).reduce((total, bytes) => total + bytes, 0);
    const found = await server(await monitoredNats(sum + 64 * 1024 * 1024));
    await found.make();
    const before = await picture(found);
    await found.make();
    expect(await picture(found)).toEqual(before);
  });

  test('are made once, and found made by everyone who comes later or at the same time', async () => {
    const found = await server();
    await Promise.all([found.make(), found.make(), found.make()]);
    const before = await picture(found);
    expect(before).toHaveLength(7);
    const { tasks } = await found.make();
    await tasks.put('t1.request', '{}');
    await found.make();
    expect((await tasks.get('t1.request'))?.revision).toBe(1);
  });

  test('take on the bounds that are asked for now', async () => {
    const found = await server();
    await found.make();
    await found.make({ tasks: 1024 * 1024, reports: 2 * 1024 * 1024 });
    expect((await found.manager.streams.info('KV_ccli_tasks')).config.max_bytes).toBe(1024 * 1024);
    expect((await found.manager.streams.info('CCLI_REPORTS')).config.max_bytes).toBe(2 * 1024 * 1024);
  });

  test.each([
    'KV_ccli_control',
    'KV_ccli_tasks',
    'KV_ccli_agents',
    'OBJ_ccli_blobs',
    'CCLI_REPORTS',
    'CCLI_OUTPUT',
    'CCLI_EVENTS',
  ])('whose making was interrupted before %s are completed', async stream => {
    const found = await server();
    await found.make();
    await (await schema(found)).purge('schema');
    await found.manager.streams.purge('KV_ccli_control');
    await found.manager.streams.delete(stream);
    await found.make();
    expect(await picture(found)).toHaveLength(7);
  });
});

describe('a store that is not what ccli wrote is refused, named, and left as it is:', () => {
  test.each<[string, string, (found: Server) => Promise<unknown>]>([
    [
      'a stream with other subjects',
      'CCLI_REPORTS',
      ({ manager }) =>
        manager.streams.add({ name: 'CCLI_REPORTS', subjects: ['theirs.>'], storage: StorageType.File }),
    ],
    [
      'a stream with another retention',
      'CCLI_REPORTS',
      ({ manager }) => manager.streams.add({ name: 'CCLI_REPORTS', subjects: ['ccli.node.*.report'] }),
    ],
    [
      'a bucket in memory',
      'KV_ccli_tasks',
      ({ connection }) => new Kvm(connection).create('ccli_tasks', { storage: StorageType.Memory }),
    ],
    [
      'a bucket whose entries expire',
      'KV_ccli_tasks',
      ({ connection }) => new Kvm(connection).create('ccli_tasks', { ttl: 60_000 }),
    ],
    [
      'a copy of another stream',
      'OBJ_ccli_blobs',
      async ({ manager }) => {
        await manager.streams.add({ name: 'OTHER', subjects: ['other'] });
        await manager.streams.add({ name: 'OBJ_ccli_blobs', mirror: { name: 'OTHER' } });
      },
    ],
    [
      'a store that drops what is old when it is full',
      'OBJ_ccli_blobs',
      ({ manager }) =>
        manager.streams.add({
          name: 'OBJ_ccli_blobs',
          subjects: ['$O.ccli_blobs.C.>', '$O.ccli_blobs.M.>'],
          discard: DiscardPolicy.Old,
          retention: RetentionPolicy.Limits,
        }),
    ],
    [
      'tasks that nobody has signed for',
      'KV_ccli_tasks',
      async ({ connection }) => {
        await (await new Kvm(connection).create('ccli_tasks')).put('t1.request', '{}');
      },
    ],
  ])('%s', async (_what, named, spoil) => {
    const found = await server();
    await spoil(found);
    const before = await picture(found);
    await refusesNaming(found, named);
    expect(await picture(found)).toEqual(before);
  });

  test.each(['KV_ccli_tasks', 'OBJ_ccli_blobs', 'CCLI_REPORTS'])(
    'one whose %s is gone is not begun anew',
    async stream => {
      const found = await server();
      await found.make();
      await found.manager.streams.delete(stream);
      const before = await picture(found);
      await refusesNaming(found, stream);
      expect(await picture(found)).toEqual(before);
    },
  );

  test.each([
    ['garbage', '\u0000\u0001', 'store_damaged'],
    ['nothing', '', 'store_damaged'],
    ['something else', '{"version":"one"}', 'store_damaged'],
    ['a newer version', '{"version":2}', 'store_newer'],
  ])('one whose version is %s', async (_what, value, code) => {
    const found = await server();
    await found.make();
    await (await schema(found)).put('schema', value);
    const before = await picture(found);
    await expect(found.make({ tasks: 1024 * 1024 })).rejects.toMatchObject({ code });
    expect(await picture(found)).toEqual(before);
  });
});

test('the consumer of the reports, made anew, delivers at once what was not acknowledged', async () => {
  const found = await server();
  await found.make();
  await resetReportsConsumer(found.manager, names());
  await found.connection.request('ccli.node.walnut.report', 'one');
  const take = async () => {
    const consumer = await jetstream(found.connection).consumers.get('CCLI_REPORTS', 'fold');
    return await consumer.next({ expires: 5_000 });
  };
  expect((await take())?.string()).toBe('one');
  await resetReportsConsumer(found.manager, names());
  const again = await take();
  expect(again?.string()).toBe('one');
  await again?.ackAck();
});
