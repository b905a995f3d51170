import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FrameParser, subjectMatches } from './nats-frames.ts';
import { type NatsProxy, startNatsProxy } from './nats-proxy.ts';
import { testNats } from './nats-server.ts';
import { seeded } from './random.ts';
import { waitFor } from './wait.ts';

interface Line {
  readonly proxy: NatsProxy;
  /** Through the proxy. */
  readonly client: NatsConnection;
  /** Straight to the server. */
  readonly witness: NatsConnection;
}

async function line(): Promise<Line> {
  const nats = await testNats();
  const proxy = await startNatsProxy(nats.port);
  onTestFinished(() => proxy.close());
  const options = { maxReconnectAttempts: -1, reconnectTimeWait: 20, reconnectJitter: 0 };
  const client = await connect({ servers: proxy.url, ...options });
  onTestFinished(() => client.close());
  const witness = await connect({ servers: nats.url });
  onTestFinished(() => witness.close());
  return { proxy, client, witness };
}

const never = new Promise<never>(() => undefined);
/** What has happened once everything that is under way between witness and server has settled. */
const settled = async <T>(what: Promise<T>, witness: NatsConnection): Promise<T | 'open'> => {
  for (let round = 0; round < 20; round += 1) await witness.flush();
  return Promise.race([what, Promise.resolve('open' as const)]);
};

const collect =
  (into: string[]) =>
  (_error: Error | null, message: Msg): void => {
    into.push(message.string());
  };

async function echo(connection: NatsConnection, subject: string): Promise<void> {
  connection.subscribe(subject, {
    callback: (_error, message) => {
      message.respond(message.data);
    },
  });
  await connection.flush();
}

describe('frames', () => {
  test('a stream cut anywhere gives the same frames', () => {
    const payload = 'PUB not.a.line 3\r\nabc\r\n';
    const head = 'NATS/1.0\r\nA: b\r\n\r\n';
    const stream = Buffer.from(
      [
        'CONNECT {"verbose":false}\r\n',
        'PING\r\n',
        `PUB a.b 0\r\n\r\n`,
        `pub a.b _INBOX.x.1 ${payload.length}\r\n${payload}\r\n`,
        `HPUB c.d _INBOX.x.2 ${head.length} ${head.length + 5}\r\n${head}hello\r\n`,
        `MSG e.f 12 _INBOX.x.3 2\r\nhi\r\n`,
        `HMSG g.h 7 ${head.length} ${head.length}\r\n${head}\r\n`,
        "-ERR 'Slow Consumer'\r\n",
      ].join(''),
    );
    const whole = new FrameParser().push(stream);
    expect(
      whole.map(({ verb, subject, reply, headers, payload: body }) => [
        verb,
        subject,
        reply,
        headers.toString(),
        body.toString(),
      ]),
    ).toEqual([
      ['CONNECT', '', undefined, '', ''],
      ['PING', '', undefined, '', ''],
      ['PUB', 'a.b', undefined, '', ''],
      ['PUB', 'a.b', '_INBOX.x.1', '', payload],
      ['HPUB', 'c.d', '_INBOX.x.2', head, 'hello'],
      ['MSG', 'e.f', '_INBOX.x.3', '', 'hi'],
      ['HMSG', 'g.h', undefined, head, ''],
      ['-ERR', '', undefined, '', ''],
    ]);
    expect(Buffer.concat(whole.map(({ bytes }) => bytes))).toEqual(stream);
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = seeded(seed);
      const parser = new FrameParser();
      const frames = [];
      for (let at = 0; at < stream.byteLength; ) {
        const next = at + random.between(1, 9);
        frames.push(...parser.push(stream.subarray(at, next)));
        at = next;
      }
      expect(frames, `seed ${seed}`).toEqual(whole);
    }
  });

  test.each([
    ['a.b', 'a.b', true],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a.b', true],
    ['a.b.c', 'a.b', false],
    ['$KV.tasks.*.state', '$KV.tasks.one.state', true],
  ])('the pattern %s and the subject %s: %s', (pattern, subject, fits) => {
    expect(subjectMatches(pattern, subject)).toBe(fits);
  });
});

test('messages large and small pass through unchanged', async () => {
  const { client, witness } = await line();
  await echo(witness, 'echo');
  for (const size of [0, 1, 70_000, 1_000_000]) {
    const sent = Buffer.alloc(size, 'x');
    const reply = await client.request('echo', sent);
    expect(sent.equals(reply.data)).toBe(true);
  }
});

test('a line that is cut comes back when it is restored', async () => {
  const { client, proxy, witness } = await line();
  await echo(witness, 'echo');
  proxy.cut();
  await waitFor(() => proxy.connections() === 0);
  proxy.restore();
  await waitFor(async () => (await client.request('echo', 'again', { timeout: 500 })).string() === 'again');
});

test('behind a partition both sides hear nothing, and what was under way arrives when it heals', async () => {
  const { client, proxy, witness } = await line();
  await echo(witness, 'echo');
  proxy.partition();
  const reply = client.request('echo', 'late', { timeout: 60_000 }).then(message => message.string());
  expect(await settled(reply, witness)).toBe('open');
  expect(client.isClosed()).toBe(false);
  proxy.heal('resume');
  expect(await reply).toBe('late');
});

test('a partition may end with the connections lost, and then the client comes back on a new one', async () => {
  const { client, proxy, witness } = await line();
  await echo(witness, 'echo');
  proxy.partition();
  const lost = client.request('echo', 'lost', { timeout: 500 }).catch(() => 'lost');
  proxy.heal('reset');
  expect(await lost).toBe('lost');
  await waitFor(async () => (await client.request('echo', 'new', { timeout: 500 })).string() === 'new');
});

test('a new connection during a partition stays silent until it heals', async () => {
  const { proxy, witness } = await line();
  proxy.partition();
  const connecting = connect({ servers: proxy.url });
  await waitFor(() => proxy.connections() === 2);
  expect(await settled(connecting, witness)).toBe('open');
  proxy.heal();
  await (await connecting).close();
});

test('with held replies a publish is done while its sender waits in vain', async () => {
  const { client, proxy, witness } = await line();
  const manager = await jetstreamManager(witness);
  await manager.streams.add({ name: 'S', subjects: ['s'] });
  proxy.holdReplies();
  const outcome = jetstream(client)
    .publish('s', 'x', { timeout: 200, retries: 1 })
    .then(
      () => 'acknowledged',
      () => 'unclear',
    );
  await waitFor(async () => (await manager.streams.info('S')).state.messages === 1);
  expect(await outcome).toBe('unclear');
  proxy.releaseReplies();
  expect((await jetstream(client).publish('s', 'y')).seq).toBe(2);
});

test('a breakpoint before a publish: the server does not have it yet', async () => {
  const { client, proxy, witness } = await line();
  const got: string[] = [];
  witness.subscribe('stop.*', { callback: collect(got) });
  await witness.flush();
  const stop = proxy.breakAt('before', 'stop.*');
  client.publish('free', 'goes');
  client.publish('stop.here', 'held');
  expect((await stop.reached).payload.toString()).toBe('held');
  await settled(never, witness);
  expect(got).toEqual([]);
  stop.resume();
  await waitFor(() => got.length === 1);
});

test('a breakpoint after a publish: it is done, and the answer has not come back', async () => {
  const { client, proxy, witness } = await line();
  const manager = await jetstreamManager(witness);
  await manager.streams.add({ name: 'S', subjects: ['s'] });
  for (const point of ['forwarded', 'answered'] as const) {
    const stop = proxy.breakAt(point, 's');
    const ack = jetstream(client).publish('s', 'x', { timeout: 30_000 });
    expect((await stop.reached).subject).toBe('s');
    const { messages } = (await manager.streams.info('S')).state;
    if (point === 'answered') expect(messages).toBe(2);
    expect(await settled(ack, witness)).toBe('open');
    stop.resume();
    await ack;
  }
});

test('a hook can swallow one publish, or break the line with it', async () => {
  const { client, proxy, witness } = await line();
  const got: string[] = [];
  witness.subscribe('x', { callback: collect(got) });
  await witness.flush();
  const forget = proxy.onPublish('x', {
    before: frame => (frame.payload.toString() === '2' ? 'drop' : 'forward'),
  });
  for (const text of ['1', '2', '3']) client.publish('x', text);
  await waitFor(() => got.length === 2);
  expect(got).toEqual(['1', '3']);
  forget();
  const stop = proxy.breakAt('before', 'x');
  client.publish('x', '4');
  await stop.reached;
  stop.resume('disconnect');
  await waitFor(() => {
    client.publish('x', '5');
    return got.includes('5');
  });
  expect(got).not.toContain('4');
});

test('a hook sees what the server delivers', async () => {
  const { client, proxy, witness } = await line();
  const got: string[] = [];
  client.subscribe('y', { callback: collect(got) });
  await client.flush();
  proxy.onMessage('y', frame => (frame.payload.toString() === 'bad' ? 'drop' : 'forward'));
  witness.publish('y', 'bad');
  witness.publish('y', 'good');
  await waitFor(() => got.length === 1);
  expect(got).toEqual(['good']);
});

test('a client never learns an address that goes round the proxy', async () => {
  const { client, proxy } = await line();
  expect(client.getServer()).toBe(`127.0.0.1:${proxy.port}`);
  expect(client.info?.connect_urls).toBeUndefined();
});
