import { expect, test } from 'vitest';
import { createCourier, type Way } from '../../node-agent/courier.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Report } from '../../protocol/report.ts';

const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => log,
};
const report: Report = {
  v: 1,
  kind: 'started',
  node: 'walnut',
  instance_id: 'i1',
  task_id: 't1',
  attempt: 1,
};
const chunk = { v: 1, task_id: 't1', attempt: 1, n: 0, text: 'x' };

interface TestWay extends Way {
  open: boolean;
  doubtful: boolean;
  broken: boolean;
  readonly taken: string[];
}

function way(name: Way['name'], over: Partial<Pick<TestWay, 'open' | 'doubtful' | 'broken'>> = {}): TestWay {
  const taken: string[] = [];
  const own: TestWay = {
    name,
    open: true,
    doubtful: false,
    broken: false,
    taken,
    ...over,
    chunk: () => {
      taken.push('chunk');
    },
    report: () => {
      taken.push('report');
      return own.broken ? Promise.reject(new CcliError('ssh_timeout')) : Promise.resolve();
    },
  };
  return own;
}

function courierOver(...ways: Way[]) {
  const courier = createCourier(log);
  for (const one of ways) courier.add(one);
  return courier;
}

test('while NATS is there, all goes over NATS', async () => {
  const [nats, line] = [way('nats'), way('line')];
  const courier = courierOver(nats, line);
  courier.chunk(chunk);
  await courier.report(report);
  expect([nats.taken, line.taken]).toEqual([['chunk', 'report'], []]);
});

test('while NATS is away, or in doubt, all goes over the line', async () => {
  for (const state of [{ open: false }, { doubtful: true }]) {
    const [nats, line] = [way('nats', state), way('line')];
    const courier = courierOver(nats, line);
    courier.chunk(chunk);
    await courier.report(report);
    expect([nats.taken, line.taken]).toEqual([[], ['chunk', 'report']]);
  }
});

test('what NATS does not take goes over the line at once', async () => {
  const [nats, line] = [way('nats', { broken: true }), way('line')];
  await courierOver(nats, line).report(report);
  expect(line.taken).toEqual(['report']);
});

test('a NATS in doubt is better than nothing', async () => {
  const nats = way('nats', { doubtful: true });
  await courierOver(nats, way('line', { open: false })).report(report);
  expect(nats.taken).toEqual(['report']);
});

test('what no way takes fails with what the last one said', async () => {
  const ways = [way('nats', { broken: true }), way('line', { broken: true })];
  await expect(courierOver(...ways).report(report)).rejects.toMatchObject({ code: 'ssh_timeout' });
  await expect(courierOver().report(report)).rejects.toMatchObject({ code: 'nats_unreachable' });
});

test('whoever waits for a way goes on when one opens, or when the daemon stops', async () => {
  const line = way('line', { open: false });
  const courier = courierOver(line);
  const waiting = courier.whenOpen(new AbortController().signal);
  const stop = new AbortController();
  const stopped = courier.whenOpen(stop.signal);
  stop.abort(new Error('stopping'));
  await expect(stopped).rejects.toThrow('stopping');
  line.open = true;
  courier.opened();
  await waiting;
});
