import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { backUp } from '../../../coordinator/backup/backup.ts';
import { restore } from '../../../coordinator/backup/restore.ts';
import { loadCoordinatorConfig } from '../../../coordinator/config.ts';
import { createLeaseStore } from '../../../coordinator/lease.ts';
import { provision, type Stores } from '../../../coordinator/provision.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { names as namesOf } from '../../../protocol/subjects.ts';
import { testNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const names = namesOf();
const quiet = { names, signal: new AbortController().signal, onStage: () => undefined };
const STREAMS = [
  'CCLI_EVENTS',
  'CCLI_REPORTS',
  'KV_ccli_agents',
  'KV_ccli_control',
  'KV_ccli_tasks',
  'OBJ_ccli_blobs',
];

async function server(): Promise<NatsConnection> {
  const nats = await testNats();
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  return connection;
}

const stores = async (connection: NatsConnection): Promise<Stores> =>
  provision(
    jetstream(connection),
    await jetstreamManager(connection),
    names,
    loadCoordinatorConfig(undefined, {}).store,
  );

/** A store with some of everything in it. */
async function filled(): Promise<{ connection: NatsConnection; stores: Stores }> {
  const connection = await server();
  const made = await stores(connection);
  await fill(made, connection);
  return { connection, stores: made };
}

async function fill(made: Stores, connection: NatsConnection): Promise<void> {
  for (const key of ['a.request', 'b.request', 'b.state', 'c.request'])
    await made.tasks.create(key, `of ${key}`);
  await made.blobs.putBlob({ name: 'a.prompt.0' }, randomBytes(300_000));
  await createLeaseStore(made.control).write({ holder: 'c1', epoch: 7, fleet_id: 'first-life', beat: 3 }, 0);
  await made.control.put('other', 'kept');
  await jetstream(connection).publish('ccli.node.walnut.report', 'a report');
  await jetstream(connection).publish('ccli.event.task.a', 'an event');
}

const streamNames = async (connection: NatsConnection): Promise<string[]> => {
  const found: string[] = [];
  for await (const stream of (await jetstreamManager(connection)).streams.list())
    found.push(stream.config.name);
  return found.sort();
};

const info = async (connection: NatsConnection, stream: string) =>
  (await jetstreamManager(connection)).streams.info(stream);

/** A backup of such a store; the store goes on. */
async function backedUp() {
  const { connection, stores: original } = await filled();
  const directory = join(await temporaryDirectory(), 'backup');
  await backUp({ ...quiet, connection, directory });
  return { connection, original, directory };
}

describe('a backup', () => {
  test('is a directory for its owner alone, with a manifest and a file for each stream', async () => {
    const { connection } = await filled();
    const directory = join(await temporaryDirectory(), 'backup');
    const manifest = await backUp({ ...quiet, connection, directory });
    expect((await readdir(directory)).sort()).toEqual([
      'agents.snapshot',
      'blobs.snapshot',
      'control.json',
      'events.snapshot',
      'manifest.json',
      'reports.snapshot',
      'tasks.snapshot',
    ]);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const file of await readdir(directory))
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'))).toEqual(manifest);
    expect(manifest).toMatchObject({ format: 1, schema_version: 1, prefix: 'ccli', fleet_id: 'first-life' });
    expect(manifest.streams.map(({ stream }) => stream).sort()).toEqual(STREAMS);
  });

  test('never writes over what is there, and one that is stopped leaves nothing', async () => {
    const { connection, directory } = await backedUp();
    const before = await readFile(join(directory, 'manifest.json'), 'utf8');
    await expect(backUp({ ...quiet, connection, directory })).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(await readFile(join(directory, 'manifest.json'), 'utf8')).toBe(before);

    const parent = await temporaryDirectory();
    const controller = new AbortController();
    const stopped = backUp({
      ...quiet,
      connection,
      directory: join(parent, 'stopped'),
      signal: controller.signal,
      onStage: text => {
        if (text.includes('blobs')) controller.abort(new CcliError('cancelled'));
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expect(await readdir(parent)).toEqual([]);
  });

  test('of a server without a store says which stream is missing', async () => {
    const directory = join(await temporaryDirectory(), 'backup');
    await expect(backUp({ ...quiet, connection: await server(), directory })).rejects.toMatchObject({
      code: 'store_damaged',
      message: expect.stringContaining('CCLI_REPORTS') as string,
    });
  });

  test('is taken while the store is written to, and holds all that was written before it began', async () => {
    const { connection, stores: original } = await filled();
    const writing = new AbortController();
    let written = 0;
    const write = async (): Promise<void> => {
      while (!writing.signal.aborted) {
        written += 1;
        await original.tasks.put(`t${written % 500}.state`, randomBytes(2_000));
      }
    };
    const writer = write();
    await waitFor(() => written > 1_000, { what: 'a thousand writes' });
    const before = (await info(connection, 'KV_ccli_tasks')).state.last_seq;
    const directory = join(await temporaryDirectory(), 'backup');
    await backUp({ ...quiet, connection, directory });
    writing.abort();
    await writer;

    const to = await server();
    await restore({ ...quiet, connection: to, directory });
    expect((await info(to, 'KV_ccli_tasks')).state.last_seq).toBeGreaterThanOrEqual(before);
    const { tasks } = await stores(to);
    for (let n = 0; n < 500; n += 1) expect((await tasks.get(`t${n}.state`))?.value).toHaveLength(2_000);
    expect((await tasks.get('b.state'))?.string()).toBe('of b.state');
  });

  test('that loses its server ends with that, and leaves nothing', async () => {
    const nats = await testNats();
    const connection = await connect({ servers: nats.url });
    onTestFinished(() => connection.close());
    await fill(await stores(connection), connection);
    const parent = await temporaryDirectory();
    const broken = backUp({
      ...quiet,
      connection,
      directory: join(parent, 'backup'),
      onStage: text => {
        if (text.includes('tasks')) void nats.kill();
      },
    });
    await expect(broken).rejects.toMatchObject({ code: 'nats_unreachable' });
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('a restore', () => {
  test('brings back every stream as it was, but for the fleet, which is a new one', async () => {
    const { connection: from, original, directory } = await backedUp();
    const to = await server();
    const { fleet_id } = await restore({ ...quiet, connection: to, directory });

    expect(await streamNames(to)).toEqual(STREAMS);
    for (const stream of STREAMS) {
      const [was, is] = [await info(from, stream), await info(to, stream)];
      expect(is.config).toEqual(was.config);
      if (stream === 'KV_ccli_control') continue;
      const { messages, last_seq } = was.state;
      expect(is.state).toMatchObject({ messages, last_seq, consumer_count: 0 });
    }
    const restored = await stores(to);
    expect(await restored.blobs.getBlob('a.prompt.0')).toEqual(await original.blobs.getBlob('a.prompt.0'));
    expect((await restored.tasks.get('b.state'))?.string()).toBe('of b.state');
    const revision = (await original.tasks.get('c.request'))?.revision;
    expect((await restored.tasks.get('c.request'))?.revision).toBe(revision);
    expect((await restored.control.get('other'))?.string()).toBe('kept');
    const lease = (await createLeaseStore(restored.control).read())?.lease;
    expect(lease).toEqual({ holder: 'restore', epoch: 7, fleet_id, beat: 0, released: true });
    expect(fleet_id).not.toBe('first-life');
  });

  const refused: [string, (directory: string) => Promise<void>, RegExp][] = [
    ['a damaged file', directory => damage(join(directory, 'tasks.snapshot')), /tasks\.snapshot.*hash/],
    [
      'a file that was cut short',
      directory => truncate(join(directory, 'blobs.snapshot'), 1_000),
      /blobs\.snapshot has 1000 bytes/,
    ],
    [
      'a file that is missing',
      directory => rm(join(directory, 'control.json')),
      /control\.json cannot be read/,
    ],
    ['no manifest', directory => rm(join(directory, 'manifest.json')), /manifest\.json cannot be read/],
    [
      'half a manifest',
      directory => truncate(join(directory, 'manifest.json'), 100),
      /manifest\.json cannot be read/,
    ],
    ['a newer layout', directory => amend(directory, { format: 2 }), /newer.*upgrade/],
    ['a newer store', directory => amend(directory, { schema_version: 99 }), /newer.*upgrade/],
    ['a stream left out', directory => amend(directory, { streams: [] }), /CCLI_REPORTS/],
    ['another prefix', directory => amend(directory, { prefix: 'other' }), /--prefix other/],
  ];
  test.each(refused)('refuses %s before anything is written', async (_, spoil, says) => {
    const { directory } = await backedUp();
    await spoil(directory);
    const to = await server();
    await expect(restore({ ...quiet, connection: to, directory })).rejects.toMatchObject({
      code: 'backup_unusable',
      message: expect.stringMatching(says) as string,
    });
    expect(await streamNames(to)).toEqual([]);
  });

  test('refuses a server that has a store, or a part of one, and touches nothing', async () => {
    const { connection, directory } = await backedUp();
    const before = await info(connection, 'KV_ccli_tasks');
    await expect(restore({ ...quiet, connection, directory })).rejects.toMatchObject({
      code: 'store_not_empty',
    });
    expect((await info(connection, 'KV_ccli_tasks')).state).toEqual(before.state);

    const to = await server();
    await (await jetstreamManager(to)).streams.add({ name: 'CCLI_EVENTS', subjects: ['ccli.event.>'] });
    await expect(restore({ ...quiet, connection: to, directory })).rejects.toMatchObject({
      code: 'store_not_empty',
      message: expect.stringContaining('CCLI_EVENTS') as string,
    });
    expect(await streamNames(to)).toEqual(['CCLI_EVENTS']);
  });

  test('refuses a server on which a coordinator runs', async () => {
    const { directory } = await backedUp();
    const to = await server();
    to.subscribe('ccli.status', { callback: (_, message) => void message.respond('{}') });
    await expect(restore({ ...quiet, connection: to, directory })).rejects.toMatchObject({
      code: 'state_in_use',
    });
    expect(await streamNames(to)).toEqual([]);
  });

  test('that is stopped takes back what it made, and can be run again', async () => {
    const { directory } = await backedUp();
    const to = await server();
    const controller = new AbortController();
    const stopped = restore({
      ...quiet,
      connection: to,
      directory,
      signal: controller.signal,
      onStage: text => {
        // The one after next is under way by then, or about to be.
        if (text.includes('blobs'))
          setImmediate(() => {
            controller.abort(new CcliError('cancelled'));
          });
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expect(await streamNames(to)).toEqual([]);
    await restore({ ...quiet, connection: to, directory });
    expect(await streamNames(to)).toEqual(STREAMS);
  });

  test('that was killed leaves no store, and the next one clears it away', async () => {
    const { directory } = await backedUp();
    const to = await server();
    // What a restore that was killed midway leaves: some streams, all marked, and no control bucket.
    const manager = await jetstreamManager(to);
    const description = 'being restored by ccli';
    await manager.streams.add({ name: 'CCLI_REPORTS', subjects: ['ccli.node.*.report'], description });
    await manager.streams.add({ name: 'KV_ccli_tasks', subjects: ['$KV.ccli_tasks.>'], description });
    await restore({ ...quiet, connection: to, directory });
    expect(await streamNames(to)).toEqual(STREAMS);
    expect((await info(to, 'KV_ccli_tasks')).config.description).not.toBe(description);
    await expect(restore({ ...quiet, connection: to, directory })).rejects.toMatchObject({
      code: 'store_not_empty',
    });
  });
});

async function damage(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  await writeFile(file, bytes);
}

async function amend(directory: string, change: Record<string, unknown>): Promise<void> {
  const file = join(directory, 'manifest.json');
  await writeFile(
    file,
    JSON.stringify({ ...(JSON.parse(await readFile(file, 'utf8')) as object), ...change }),
  );
}
