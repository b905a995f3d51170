import { describe, expect, onTestFinished, test } from 'vitest';
import { createLineKeeper, type LineKeeper } from '../../../coordinator/lines/keeper.ts';
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { FromNode } from '../../../protocol/line.ts';
import { advertOf } from '../../support/advert.ts';
import { waitFor } from '../../support/wait.ts';
import { type FarEnd, farEnd, hello } from './support/far-end.ts';

interface World {
  readonly keeper: LineKeeper;
  /** Those that were opened, oldest first. */
  readonly ends: readonly FarEnd[];
  readonly tries: readonly string[];
  readonly told: readonly string[];
  readonly wanted: Set<string>;
  readonly lead: (leads: boolean) => void;
  readonly pass: (ms: number) => void;
  /** From now on no line can be opened. */
  readonly refuse: (error: CcliError | undefined) => void;
  /** From now on opening takes until `fail`. */
  readonly pending: () => void;
  readonly fail: (error: CcliError) => void;
  readonly acknowledge: (report: boolean) => void;
  /** The nth line, which has said hello. */
  readonly up: (nth?: number) => Promise<FarEnd>;
  readonly stop: () => Promise<void>;
}

function world(nodes: readonly string[] = ['walnut']): World {
  let now = 0;
  let leads = true;
  let refused: CcliError | undefined;
  let opening: ((error: CcliError) => void)[] | undefined;
  const ends: FarEnd[] = [];
  const tries: string[] = [];
  const told: string[] = [];
  const wanted = new Set(nodes);
  let stored: (there: boolean) => void = () => undefined;
  const lifecycle = createLifecycle({
    onError: error => {
      throw error;
    },
  });
  onTestFinished(() => lifecycle.stop());
  const keeper = createLineKeeper({
    nodes,
    openLine(node, signal) {
      tries.push(node);
      if (refused !== undefined) return Promise.reject(refused);
      const slow = opening;
      if (slow !== undefined)
        return new Promise((_resolve, reject) => {
          slow.push(reject);
          signal.addEventListener('abort', () => {
            reject(new CcliError('cancelled'));
          });
        });
      const far = farEnd();
      ends.push(far);
      return Promise.resolve(far.process);
    },
    wanted: node => wanted.has(node),
    leads: () => leads,
    relay: {
      advert: ({ node }) => told.push(`relayed advert of ${node}`),
      chunk: node => told.push(`relayed chunk of ${node}`),
      report: (_node, _report, signal) =>
        new Promise(resolve => {
          stored = resolve;
          signal.addEventListener('abort', () => {
            resolve(false);
          });
        }),
      reports: () => 0,
    },
    onAdvert: ({ node }) => told.push(`advert of ${node}`),
    onEnded: node => told.push(`ended ${node}`),
    serve: ({ node }) => {
      told.push(`serving ${node}`);
      return () => told.push(`served ${node}`);
    },
    clock: () => now,
    random: () => 1,
    lifecycle,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  return {
    keeper,
    ends,
    tries,
    told,
    wanted,
    lead: value => {
      leads = value;
    },
    pass: ms => {
      now += ms;
      keeper.activate();
    },
    refuse: error => {
      refused = error;
    },
    pending: () => {
      opening = [];
    },
    fail: error => {
      for (const reject of opening?.splice(0) ?? []) reject(error);
    },
    acknowledge: there => {
      stored(there);
    },
    async up(nth = 0) {
      keeper.activate();
      const far = await waitFor(() => ends[nth]);
      far.say(hello());
      await waitFor(() => keeper.open('walnut'));
      return far;
    },
    stop: () => lifecycle.stop(),
  };
}

const lostOf = (keeper: LineKeeper): number => keeper.counts().reduce((sum, { lost }) => sum + lost, 0);

const report: FromNode = {
  kind: 'report',
  v: 1,
  id: 'r1',
  report: { v: 1, kind: 'started', node: 'walnut', instance_id: 'one', task_id: 't1', attempt: 1 },
};

describe('a line', () => {
  test('is opened once when it is wanted, and is there for requests after the hello', async () => {
    const { keeper, ends, tries, up } = world();
    keeper.activate();
    keeper.activate();
    await waitFor(() => ends[0]);
    expect(keeper.open('walnut')).toBeUndefined();
    await up();
    expect(tries).toEqual(['walnut']);
    expect(keeper.counts()).toEqual([{ node: 'walnut', open: true, opened: 1, lost: 0, malformed: 0 }]);
  });

  test.each(['not wanted', 'not leading', 'stopping'] as const)('is closed when %s', async why => {
    const { keeper, wanted, lead, up, told, stop } = world();
    const far = await up();
    if (why === 'not wanted') wanted.clear();
    else if (why === 'not leading') lead(false);
    if (why === 'stopping') await stop();
    else keeper.activate();
    await waitFor(() => far.hungUp());
    expect(keeper.open('walnut')).toBeUndefined();
    await waitFor(() => told.includes('ended walnut'));
    expect(told).toEqual(['serving walnut', 'served walnut', 'ended walnut']);
    expect(keeper.counts()).toMatchObject([{ open: false, lost: 0 }]);
  });

  test('that breaks off is opened again after a pause that grows', async () => {
    const { keeper, ends, tries, up, pass } = world();
    (await up()).end({ code: 0 });
    await waitFor(() => keeper.counts()[0]?.lost === 1);
    pass(999);
    expect(tries).toHaveLength(1);
    pass(1);
    expect(tries).toHaveLength(2);
    (await up(1)).end({ code: 0 });
    await waitFor(() => keeper.counts()[0]?.lost === 2);
    pass(1_999);
    expect(tries).toHaveLength(2);
    pass(1);
    await waitFor(() => ends.length === 3);
  });

  test('that has lasted makes the failures before it old', async () => {
    const { keeper, tries, up, pass } = world();
    (await up()).end({ code: 0 });
    await waitFor(() => keeper.counts()[0]?.lost === 1);
    pass(1_000);
    const second = await up(1);
    pass(60_000);
    second.end({ code: 0 });
    await waitFor(() => keeper.counts()[0]?.lost === 2);
    pass(1_000);
    expect(tries).toHaveLength(3);
  });

  test('that somebody has to mend first is tried only once a minute', async () => {
    const { keeper, tries, refuse, pass } = world();
    refuse(new CcliError('ssh_host_key_changed'));
    keeper.activate();
    await waitFor(() => keeper.counts()[0]?.lost === 1);
    pass(59_999);
    expect(tries).toHaveLength(1);
    pass(1);
    expect(tries).toHaveLength(2);
  });

  test('that took long to fail is none that has lasted', async () => {
    const { keeper, tries, pass, fail, pending } = world();
    pending();
    for (const [nth, pause_ms] of [1_000, 2_000, 4_000].entries()) {
      pass(0);
      expect(tries).toHaveLength(nth + 1);
      pass(40_000);
      fail(new CcliError('ssh_timeout'));
      await waitFor(() => keeper.counts()[0]?.lost === nth + 1);
      pass(pause_ms - 1);
      expect(tries).toHaveLength(nth + 1);
      pass(1);
    }
  });

  test('to a host that sleeps does not keep one waiting to a host that was never tried', async () => {
    const asleep = Array.from({ length: 20 }, (_, index) => `asleep-${index}`);
    const { keeper, tries, pass, fail, pending } = world([...asleep, 'awake']);
    pending();
    pass(0);
    for (let round = 0; round < 3; round += 1) {
      const lost = lostOf(keeper);
      pass(20_000);
      fail(new CcliError('ssh_timeout'));
      await waitFor(() => lostOf(keeper) === lost + 8);
      pass(16_000);
    }
    expect(tries).toContain('awake');
  });

  test('is one of eight that are opened at a time', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `node-${index}`);
    const { keeper, tries } = world(names);
    keeper.activate();
    keeper.activate();
    await waitFor(() => tries.length > 0);
    expect(tries).toHaveLength(8);
  });
});

describe('what a node says over it', () => {
  test('goes to the fleet and to whoever else wants it', async () => {
    const { told, up } = world();
    const far = await up();
    far.say(
      { kind: 'advert', v: 1, advert: advertOf() },
      { kind: 'chunk', v: 1, chunk: { v: 1, task_id: 't1', attempt: 1, n: 0, text: 'a' } },
    );
    await waitFor(() => told.length === 4);
    expect(told).toEqual([
      'serving walnut',
      'advert of walnut',
      'relayed advert of walnut',
      'relayed chunk of walnut',
    ]);
  });

  test('is acknowledged once the stream has it, and then only once', async () => {
    const { up, acknowledge } = world();
    const far = await up();
    far.say(report, report, hello());
    await waitFor(() => far.process.stream.readableLength === 0);
    expect(far.heard).toEqual([]);
    acknowledge(true);
    expect(await far.hears('ack')).toEqual({ kind: 'ack', v: 1, id: 'r1' });
    expect(far.heard).toHaveLength(1);
  });

  test('is not acknowledged when the line has ended before', async () => {
    const { up, keeper, wanted } = world();
    const far = await up();
    far.say(report);
    await waitFor(() => far.process.stream.readableLength === 0);
    wanted.clear();
    keeper.activate();
    await waitFor(() => far.hungUp());
    expect(far.heard).toEqual([]);
  });
});
