import { describe, expect, test } from 'vitest';
import { judgeClock } from '../../../coordinator/bootstrap/facts-clock.ts';
import { freeBytes } from '../../../coordinator/bootstrap/facts-disk.ts';
import { natsAddresses, readReach } from '../../../coordinator/bootstrap/facts-nats.ts';
import { chooseNode, nodeFound, sortNodes } from '../../../coordinator/bootstrap/facts-node.ts';

describe('a clock', () => {
  test('is known as well as the line is fast, however long the questions took', () => {
    // Ours goes from 10 s to 70 s; the host, 5 s ahead, looked 100 ms after and 100 ms before.
    const clock = judgeClock({
      first: '1700000015100',
      last: '1700000074900',
      asked_ms: 1_700_000_010_000,
      answered_ms: 1_700_000_070_000,
    });
    expect(clock).toEqual({ offset_ms: 5_001, uncertainty_ms: 101 });
  });

  test('that shows whole seconds is right within them', () => {
    const seconds = {
      first: '1700000015',
      last: '1700000015',
      asked_ms: 1_700_000_015_400,
      answered_ms: 1_700_000_015_500,
    };
    expect(judgeClock(seconds)).toEqual({ offset_ms: 50, uncertainty_ms: 550 });
  });

  test('that cannot be read is not known at all', () => {
    expect(judgeClock({ first: undefined, last: 'now', asked_ms: 0, answered_ms: 1 }).uncertainty_ms).toBe(
      Infinity,
    );
  });
});

describe('the room on a disk', () => {
  test.each([
    ['/dev/sda1 1000 400 600 40% /', 600],
    ['//nas/my share 1000 400 600 40% /mnt/with space', 600],
    ['overlay 80000000 5000000 71000000 7% /', 71_000_000],
    ['none 0 0 0 - /proc', 0],
    ['df: no file systems processed', undefined],
  ])('is read from %j', (line, kib) => {
    expect(freeBytes(line)).toBe(kib === undefined ? undefined : kib * 1_024);
  });
});

describe('a Node', () => {
  const nodes = sortNodes(
    [
      'path\t/usr/bin/node\t\tv20.19.2',
      'nvm\t/n/v22.9.0/bin/node\tv22.9.0\tv22.9.0',
      'nvm\t/n/v22.14.0/bin/node\tv22.14.0\tv22.14.0',
      'nvm\t/n/v18.1.0/bin/node\tv18.1.0\tv18.1.0',
      'nvm\t/n/v24.0.0/bin/node\tv24.0.0\t',
      'path\t/usr/bin/node\t\tv20.19.2',
      'path\t/opt/other/node\t\tsomething else',
    ].flatMap(line => nodeFound(line) ?? []),
  );
  const aliases = { default: 'lts/*', 'lts/*': 'lts/jod', 'lts/jod': 'v22.14.0', loop: 'pool', pool: 'loop' };
  const chosen = (wanted: string | undefined, with_aliases: Record<string, string> = aliases) =>
    chooseNode(nodes, with_aliases, wanted)?.version;

  test('is sorted by its number, and each is there once', () => {
    expect(nodes.map(({ version }) => version)).toEqual([
      'v24.0.0',
      'v22.14.0',
      'v22.9.0',
      'v20.19.2',
      'v18.1.0',
    ]);
  });

  test.each([
    ['22', 'v22.14.0'],
    ['v22.9', 'v22.9.0'],
    ['lts/jod', 'v22.14.0'],
    ['default', 'v22.14.0'],
    ['20', 'v20.19.2'],
    ['18', 'v18.1.0'],
    ['2', undefined],
    ['loop', undefined],
    ['../x', undefined],
  ])('is found as %s', (wanted, version) => {
    expect(chosen(wanted)).toBe(version);
  });

  test('is the default of nvm when none is asked for, else the newest that runs', () => {
    expect(chosen(undefined, { default: '22.9' })).toBe('v22.9.0');
    expect(chosen(undefined, { default: '18' })).toBe('v22.14.0');
    expect(chosen(undefined, {})).toBe('v22.14.0');
  });
});

describe('addresses of NATS', () => {
  test('are hosts and ports, without users and passwords', () => {
    expect(
      natsAddresses('nats://u:p@walnut, tls://[fd00::1]:4443,ws://oak/x,wss://elm, ironwood:4223,, ://'),
    ).toEqual([
      { host: 'walnut', port: 4222 },
      { host: 'fd00::1', port: 4443 },
      { host: 'oak', port: 80 },
      { host: 'elm', port: 443 },
      { host: 'ironwood', port: 4223 },
    ]);
    expect(natsAddresses(undefined)).toEqual([]);
  });

  test('are reached when one is', () => {
    const two = natsAddresses('a,[::1]');
    expect(readReach(two, ['::1\t4222\tyes', 'a\t4222\tno\tENOTFOUND'])).toEqual({
      reached: 'yes',
      servers: [
        { address: 'a:4222', reached: 'no', reason: 'ENOTFOUND' },
        { address: '[::1]:4222', reached: 'yes' },
      ],
    });
    expect(readReach(two, ['a\t4222\tno\ttimeout'])?.reached).toBe('unknown');
    expect(readReach(two, ['a\t4222\tno\ttimeout', '::1\t4222\tno\tEHOSTUNREACH'])?.reached).toBe('no');
    expect(readReach([], [])).toBeUndefined();
  });
});
