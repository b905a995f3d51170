import { describe, expect, test } from 'vitest';
import { judgeHello } from '../../../../coordinator/doctor/host/fallback.ts';
import { judgeInstalled } from '../../../../coordinator/doctor/host/installed.ts';
import { readCheck } from '../../../../coordinator/doctor/host/node.ts';
import { judgeSsh } from '../../../../coordinator/doctor/host/ssh.ts';
import { readUnits } from '../../../../coordinator/doctor/host/unit.ts';
import { judgeUnits } from '../../../../coordinator/doctor/judge/unit.ts';

const unit = (over: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    Id: 'ccli-node-agent@root.service',
    LoadState: 'loaded',
    UnitFileState: 'enabled',
    ActiveState: 'active',
    SubState: 'running',
    Result: 'success',
    NRestarts: '0',
    WatchdogUSec: '30s',
    ActiveEnterTimestampMonotonic: '40000000',
    ...over,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

const told = (system: string, user: string, about = ''): string =>
  `user=root\nuptime=7240.00\n${about}scope=system\n${system}scope=user\n${user}`;
const ABSENT = 'Id=ccli-node-agent.service\nLoadState=not-found\nActiveState=inactive\n';

const judged = (text: string) => judgeUnits(readUnits(text), 'walnut');

describe('the unit', () => {
  test('that runs tells since when', () => {
    expect(judged(told(unit(), ABSENT))).toMatchObject([
      { outcome: 'ok', says: expect.stringContaining('active for 2 h') as string },
    ]);
  });

  test.each([
    ['has failed', { ActiveState: 'failed', SubState: 'failed', Result: 'watchdog' }, ['fail'], 'watchdog'],
    ['was stopped', { ActiveState: 'inactive', SubState: 'dead' }, ['fail'], 'inactive'],
    ['starts', { ActiveState: 'activating', SubState: 'start' }, ['warn'], 'activating'],
    ['keeps ending', { ActiveState: 'activating', SubState: 'auto-restart' }, ['fail'], 'auto-restart'],
    ['was restarted', { NRestarts: '3' }, ['warn'], '3 times'],
    ['is not enabled', { UnitFileState: 'disabled' }, ['warn'], 'does not start with the host'],
    ['has no watchdog', { WatchdogUSec: '0' }, ['warn'], 'watchdog'],
  ])('that %s', (_, over, expected, words) => {
    const found = judged(told(unit(over), ABSENT));
    expect(found.map(({ outcome }) => outcome)).toEqual(expected);
    expect(found[0]?.says).toContain(words);
  });

  test('of a user who does not linger ends at the logout', () => {
    const found = judged(told(ABSENT, unit({ Id: 'ccli-node-agent.service' }), 'linger=no\n'));
    expect(found).toMatchObject([
      { outcome: 'ok' },
      { check: 'linger', outcome: 'warn', mend: expect.stringContaining('enable-linger root') as string },
    ]);
  });

  test('is one of the two alone', () => {
    expect(judged(told(unit(), unit()))).toMatchObject([{ outcome: 'fail' }]);
  });

  test.each([
    ['', 'fail'],
    ['process=gone\n', 'fail'],
    ['process=42\n', 'warn'],
  ])('is missing, with %j told of a process', (about, outcome) => {
    expect(judged(`user=root\n${about}`)).toMatchObject([{ outcome }]);
  });
});

describe('what is installed', () => {
  const facts = {
    base: '/home/a/.local/share/ccli',
    current: 'versions/1.0.0',
    versions: ['1.0.0'],
    partial: [],
    command: '/home/a/.local/share/ccli/current/bin/ccli',
    node: undefined,
    config_sha256: 'abc',
    credentials: {},
    units: [],
  };
  const ours = { installs: '1.0.0', host: 'walnut' };

  test.each([
    ['the same', {}, 'ok', undefined],
    ['nothing', { current: undefined, command: undefined }, 'warn', 'node_not_installed'],
    ['half of it', { command: undefined }, 'fail', 'node_not_installed'],
    ['another version', { current: 'versions/0.9.0' }, 'warn', undefined],
    ['one without a configuration', { config_sha256: undefined }, 'warn', undefined],
    ['uploads left over', { partial: ['2.0.0'] }, 'warn', undefined],
  ])('is %s', (_, over, outcome, code) => {
    const [found, ...others] = judgeInstalled({ ...facts, ...over }, ours);
    expect(others).toEqual([]);
    expect(found?.outcome).toBe(outcome);
    expect(found?.code).toBe(code);
  });
});

test('another build of one version is another version, where builds can be told apart', () => {
  const installed = {
    base: '/b',
    current: 'versions/1.0.0-aaaa',
    versions: ['1.0.0-aaaa'],
    partial: [],
    command: '/b/c',
    node: undefined,
    config_sha256: 'abc',
    credentials: {},
    units: [],
  };
  const outcome = (installs: string) => judgeInstalled(installed, { installs, host: 'walnut' })[0]?.outcome;
  expect(outcome('1.0.0-aaaa')).toBe('ok');
  expect(outcome('1.0.0-bbbb')).toBe('warn');
  expect(outcome('1.0.0')).toBe('ok');
});

describe('what the host says', () => {
  const result = (over: object) => ({ code: 0, signal: undefined, stdout: '', stderr: '', ...over });

  test('the check of a node is found behind the greeting of a login shell', () => {
    const document = { v: 1, version: '1.0.0', node: 'walnut', worst: 'ok', checks: [] };
    expect(readCheck(result({ stdout: `Welcome!\n${JSON.stringify(document)}\n` }))).toEqual(document);
  });

  test('a node that tells nothing is quoted', () => {
    expect(() => readCheck(result({ code: 127, stderr: 'ccli: not found\n' }))).toThrow(
      /127.*ccli: not found/,
    );
  });

  test('a hello names who speaks, and anything else is refused', () => {
    const hello = {
      kind: 'hello',
      v: 1,
      node: 'walnut',
      instance_id: 'i',
      version: '1.0.0',
      role: 'stand_in',
    };
    expect(judgeHello(JSON.stringify(hello), 5)).toMatchObject({ outcome: 'ok', took_ms: 5 });
    expect(judgeHello(JSON.stringify(hello), 5).says).toContain('stand-in');
    expect(() => judgeHello('bash: ccli: not found', 5)).toThrow(/did not say hello/);
    const error = { kind: 'error', v: 1, error: { code: 'config_invalid', message: 'no', retryable: false } };
    expect(() => judgeHello(JSON.stringify(error), 5)).toThrow(
      expect.objectContaining({ code: 'config_invalid' }),
    );
  });

  test('the way in is told stage by stage', () => {
    const target = { user: 'me', hostname: '10.0.0.3', port: 2222, jumps: ['gate'] };
    const timings = { connect_ms: 1, handshake_ms: 20, auth_ms: 3, host_key: 'ssh-ed25519 SHA256:abc' };
    const [ssh, key] = judgeSsh(target, timings, 4);
    expect(ssh).toMatchObject({ took_ms: 28 });
    expect(ssh?.says).toBe(
      'me@10.0.0.3:2222 over gate lets us in: resolve 4 ms, connect 1 ms, handshake 20 ms, auth 3 ms.',
    );
    expect(key).toMatchObject({ check: 'host_key', outcome: 'ok' });
  });
});
