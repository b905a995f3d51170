import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createRelay } from '../../../coordinator/lines/relay.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { ReportSchema } from '../../../protocol/report.ts';
import { LINE_HEADER, names as namesOf } from '../../../protocol/subjects.ts';
import { advertOf } from '../../support/advert.ts';
import { testNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';

const names = namesOf('ccli');
const started = {
  v: 1,
  kind: 'started',
  node: 'walnut',
  instance_id: 'one',
  task_id: 't1',
  attempt: 1,
} as const;
const never = new AbortController().signal;

async function relayed() {
  const nats = await testNats();
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  let linked = true;
  const relay = createRelay({
    connection,
    jetstream: jetstream(connection),
    names,
    coordinator_id: 'c1',
    linked: () => linked,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  const addStream = () => manager.streams.add({ name: names.reportsStream, subjects: [names.allReports] });
  return {
    connection,
    manager,
    relay,
    addStream,
    link: (up: boolean) => {
      linked = up;
    },
  };
}

describe('a report', () => {
  test('is in the stream once, under its node and marked, when it is said to be there', async () => {
    const { relay, manager, addStream } = await relayed();
    await addStream();
    expect(await relay.report('walnut', started, never)).toBe(true);
    // Sent again by the node, over whichever way.
    expect(await relay.report('walnut', started, never)).toBe(true);
    const { state } = await manager.streams.info(names.reportsStream);
    expect(state.messages).toBe(1);
    const message = await manager.streams.getMessage(names.reportsStream, { seq: 1 });
    expect(message?.subject).toBe('ccli.node.walnut.report');
    expect(ReportSchema.parse(message?.json())).toEqual({ ...started, transport: 'ssh' });
    expect(relay.reports()).toBe(2);
  });

  test('is tried until the stream is there', async () => {
    const { relay, addStream } = await relayed();
    const sent = relay.report('walnut', started, never);
    await addStream();
    expect(await sent).toBe(true);
  });

  test('is given up when its line has ended, and never said to be there', async () => {
    const { relay, link } = await relayed();
    link(false);
    const life = new AbortController();
    const sent = relay.report('walnut', started, life.signal);
    life.abort();
    expect(await sent).toBe(false);
    expect(relay.reports()).toBe(0);
  });
});

test('chunks and adverts are passed on under the node, adverts with the name of who passes them on', async () => {
  const { relay, connection, link } = await relayed();
  const heard: [subject: string, relayed_by: string | undefined][] = [];
  connection.subscribe('ccli.node.>', {
    callback: (_error, message) => {
      heard.push([message.subject, message.headers?.get(LINE_HEADER)]);
    },
  });
  await connection.flush();
  link(false);
  relay.advert(advertOf());
  link(true);
  relay.chunk('walnut', { v: 1, task_id: 't1', attempt: 2, n: 0, text: 'a' });
  relay.advert(advertOf());
  await waitFor(() => heard.length === 2);
  expect(heard).toEqual([
    ['ccli.node.walnut.output.t1.2', undefined],
    ['ccli.node.walnut.advert', 'c1'],
  ]);
});
