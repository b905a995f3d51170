/** Values become findings: no server, no clock. */
import { describe, expect, test } from 'vitest';
import { judgeDurability } from '../../../../coordinator/doctor/fleet/durability.ts';
import { judgeSchema } from '../../../../coordinator/doctor/fleet/schema.ts';
import { judgeStores } from '../../../../coordinator/doctor/fleet/stores.ts';
import { judgeClock } from '../../../../coordinator/doctor/judge/clock.ts';
import { judgeCoordinator } from '../../../../coordinator/doctor/judge/coordinator.ts';
import { judgeJetStream } from '../../../../coordinator/doctor/judge/jetstream.ts';
import { judgeReports } from '../../../../coordinator/doctor/judge/reports.ts';
import { judgeStreams, type StreamFacts } from '../../../../coordinator/doctor/judge/streams.ts';
import { judgeVersions } from '../../../../coordinator/doctor/judge/versions.ts';
import { durabilityOf } from '../../../../coordinator/durability.ts';
import { judgeNats } from '../../../../protocol/daemon/judge-nats.ts';
import type { Verdict } from '../../../../protocol/finding.ts';
import { FLEET_STATUS } from '../../../support/fleet-status.ts';

const outcomes = (found: readonly Verdict[]): string[] => found.map(({ outcome }) => outcome);
const MIB = 1024 * 1024;

describe('NATS', () => {
  test.each([
    ['127.0.0.1:4222', false, 'ok'],
    ['localhost:4222', false, 'ok'],
    ['[::1]:4222', false, 'ok'],
    ['10.0.0.2:4222', true, 'ok'],
    ['10.0.0.2:4222', false, 'warn'],
    ['127.example.org:4222', false, 'warn'],
  ])('at %s with TLS %s is %s', (server, tls, outcome) => {
    const found = judgeNats({ server, tls, server_version: '2.15.1', rtt_ms: 0.42 });
    expect(outcomes(found)).toEqual([outcome]);
    expect(found[0]).toMatchObject({ took_ms: 0.42, says: expect.stringContaining('0.4 ms') as string });
  });
});

describe('durability', () => {
  test.each([
    ['2.15.1', true, 'ok'],
    ['2.15.1', false, 'warn'],
    ['2.9.10', true, 'warn'],
    ['strange', true, 'warn'],
  ])('of nats-server %s, synced by word %s, is %s', (version, sync, outcome) => {
    const nats = { server_version: version, url: 'x', ...durabilityOf(version, sync) };
    expect(judgeDurability(nats).outcome).toBe(outcome);
  });

  test('of an old server names the version to install', () => {
    const nats = { server_version: '2.9.10', url: 'x', ...durabilityOf('2.9.10', true) };
    const found = judgeDurability(nats);
    expect(found.says).toContain('2.9.10');
    expect(found.mend).toContain('2.14');
  });
});

describe('the store', () => {
  const fill = (used: number, limit: number) => ({ used_bytes: used * MIB, limit_bytes: limit * MIB });
  const stream = (over: Partial<StreamFacts['state'] & object> = {}): StreamFacts => ({
    name: 'KV_ccli_tasks',
    keeps: true,
    state: { fill: fill(1, 100), leader: 'one', replicas_behind: 0, ...over },
  });

  test.each([
    [0, 0, ['ok']],
    [10, 100, ['ok']],
    [90, 100, ['warn']],
  ])('of an account with %i of %i MiB used', (used, limit, expected) => {
    const found = judgeJetStream({ file: fill(used, limit), memory: fill(0, 0), streams: 7, consumers: 1 });
    expect(outcomes(found)).toEqual(expected);
  });

  test('streams that are missing, without a leader, behind or full are named', () => {
    expect(outcomes(judgeStreams([stream(), stream({ leader: undefined })]))).toEqual(['ok']);
    expect(judgeStreams([{ ...stream(), state: undefined }])).toMatchObject([
      { outcome: 'fail', code: 'store_damaged', says: expect.stringContaining('KV_ccli_tasks') as string },
    ]);
    expect(judgeStreams([stream({ leader: null })])).toMatchObject([
      { outcome: 'fail', code: 'store_unavailable' },
    ]);
    expect(outcomes(judgeStreams([stream({ replicas_behind: 1 })]))).toEqual(['warn']);
    expect(judgeStreams([stream({ fill: fill(81, 100) })])).toMatchObject([
      { outcome: 'warn', code: 'store_full' },
    ]);
    expect(outcomes(judgeStreams([{ ...stream({ fill: fill(100, 100) }), keeps: false }]))).toEqual(['ok']);
  });

  test.each([
    [10, 'ok'],
    [75, 'warn'],
    [80, 'fail'],
  ])('that is %i %% full is %s', (percent, outcome) => {
    const tasks = { bytes: percent, max_bytes: 100 };
    expect(judgeStores({ ...FLEET_STATUS.store, tasks })[0]?.outcome).toBe(outcome);
  });

  test.each([
    [1, 'ok', undefined],
    [99, 'fail', 'store_newer'],
    [undefined, 'fail', 'store_damaged'],
    ['unreadable' as const, 'fail', 'store_damaged'],
  ])('whose version is %s', (version, outcome, code) => {
    const found = judgeSchema(version);
    expect(found.outcome).toBe(outcome);
    expect(found.code).toBe(code);
  });

  test.each([
    ['nobody takes', undefined, 'fail'],
    ['there are none of', { pending: 0, unacknowledged: 0, pulled: false }, 'ok'],
    ['wait for nobody of', { pending: 1, unacknowledged: 0, pulled: false }, 'fail'],
    ['are being folded of', { pending: 3, unacknowledged: 8, pulled: true }, 'ok'],
    ['are too many of', { pending: 3_000, unacknowledged: 8, pulled: true }, 'warn'],
  ])('reports: %s', (_, facts, outcome) => {
    expect(outcomes(judgeReports(facts))).toEqual([outcome]);
  });
});

describe('the clock', () => {
  test.each([
    [0, 1, 'ok'],
    [1_900, 1, 'ok'],
    [-5_000, 1, 'warn'],
    [60_000, 10, 'warn'],
    [2_500, 1_000, 'ok'],
  ])('%i ms off, give or take %i, is %s', (offset_ms, uncertainty_ms, outcome) => {
    expect(outcomes(judgeClock({ whose: 'the NATS server', offset_ms, uncertainty_ms }))).toEqual([outcome]);
  });

  test('says in which direction', () => {
    const off = (offset_ms: number): string =>
      judgeClock({ whose: 'walnut', offset_ms, uncertainty_ms: 0 })[0]?.says ?? '';
    expect(off(60_000)).toContain('60.0 s ahead of ours');
    expect(off(-60_000)).toContain('60.0 s behind ours');
  });
});

describe('the coordinator', () => {
  test('without a leader is broken, though it answers', () => {
    expect(judgeCoordinator({ ...FLEET_STATUS, role: 'follower' }, 1)).toMatchObject([
      { outcome: 'fail', code: 'no_coordinator' },
    ]);
  });

  test('that stands by is well, and messages it could not read are worth a look', () => {
    const found = judgeCoordinator(
      { ...FLEET_STATUS, role: 'follower', leader: 'other', malformed: { adverts: 2, reports: 0 } },
      1,
    );
    expect(outcomes(found)).toEqual(['ok', 'warn']);
    expect(found[0]?.says).toContain('other leads');
  });
});

describe('versions', () => {
  const node = (name: string, over: object = {}) => ({
    node: name,
    version: '1.0.0',
    node_js: 'v22.14.0',
    alive: true,
    ...over,
  });
  const agent = (name: string, cli_version: string) => ({
    agent_type: 'cli_gemini' as const,
    node: name,
    cli_version,
    alive: true,
  });
  const facts = { own: '1.0.0', coordinator: '1.0.0', nodes: [node('walnut')], agents: [] };

  test('that are the same everywhere are well', () => {
    expect(outcomes(judgeVersions(facts))).toEqual(['ok']);
  });

  test('of ccli that differ are listed by place, but for nodes that are away', () => {
    const nodes = [node('walnut'), node('oak', { version: '0.9.0' })];
    const [found] = judgeVersions({ ...facts, nodes });
    expect(found).toMatchObject({ outcome: 'warn' });
    expect(found?.says).toContain('here 1.0.0, the coordinator 1.0.0, walnut 1.0.0, oak 0.9.0');
    const away = [node('walnut'), node('oak', { version: '0.9.0', alive: false })];
    expect(outcomes(judgeVersions({ ...facts, nodes: away }))).toEqual(['ok']);
  });

  test('of one CLI that differ between nodes are listed', () => {
    const agents = [agent('walnut', '0.61.0'), agent('oak', '0.60.0'), agent('elm', '0.61.0')];
    const [found] = judgeVersions({ ...facts, agents });
    expect(found?.says).toContain('elm and walnut 0.61.0, oak 0.60.0');
  });

  test('of Node that are too old for the daemon are named', () => {
    const nodes = [node('walnut', { node_js: 'v20.18.9' }), node('oak', { node_js: 'v20.19.0' })];
    const [found] = judgeVersions({ ...facts, nodes });
    expect(found?.says).toContain('walnut v20.18.9');
    expect(found?.says).not.toContain('oak');
  });
});
