import { describe, expect, test } from 'vitest';
import { judgeAgent } from '../../../../coordinator/doctor/judge/agent.ts';
import { type Batch, judgeConcurrency } from '../../../../coordinator/doctor/judge/concurrency.ts';
import { judgeNode, type NodeFacts } from '../../../../coordinator/doctor/judge/node.ts';
import { judgePrompt } from '../../../../coordinator/doctor/judge/prompt.ts';
import { sizesUpTo } from '../../../../coordinator/doctor/prompts/check.ts';
import type { PromptResult } from '../../../../coordinator/doctor/prompts/tiny-prompt.ts';
import { CcliError, type ErrorCode, toErrorBody } from '../../../../protocol/errors.ts';
import type { AgentView } from '../../../../protocol/operation.ts';
import { agentView } from '../../../support/agent-view.ts';

const WELL: NodeFacts = {
  node: 'walnut',
  alive: true,
  contested: false,
  draining: false,
  full: false,
  outbox: 0,
  silent_ms: 100,
  interval_ms: 5_000,
  version: '1.0.0',
  node_js: 'v22.14.0',
  agents: 1,
  running: 0,
  slots: 2,
};

describe('a node', () => {
  test.each<[string, Partial<NodeFacts>, string, ErrorCode | undefined]>([
    ['is well', {}, 'ok', undefined],
    ['is lost', { alive: false, silent_ms: 60_000 }, 'fail', 'node_lost'],
    ['is contested', { contested: true }, 'fail', undefined],
    ['has a full disk', { full: true }, 'fail', 'disk_full'],
    ['keeps its results', { outbox: 30 }, 'warn', undefined],
    ['drains', { draining: true, running: 1 }, 'warn', 'draining'],
    ['is late', { silent_ms: 11_000 }, 'warn', undefined],
    ['is reached over SSH', { transport: 'ssh' }, 'warn', undefined],
    ['has a stand-in', { transport: 'ssh', stand_in: true }, 'warn', undefined],
  ])('that %s', (_, over, outcome, code) => {
    const [found, ...others] = judgeNode({ ...WELL, ...over });
    expect(others).toEqual([]);
    expect(found?.outcome).toBe(outcome);
    expect(found?.code).toBe(code);
  });
});

describe('an agent', () => {
  test.each<[string, Partial<AgentView>, string, ErrorCode | undefined]>([
    ['is well', {}, 'ok', undefined],
    [
      'lacks its CLI',
      { health: 'unavailable', problem: toErrorBody(new CcliError('cli_missing')) },
      'fail',
      'cli_missing',
    ],
    ['starts', { health: 'starting' }, 'warn', 'agent_starting'],
    ['is signed out', { signed_in: 'no' }, 'fail', 'cli_not_signed_in'],
    ['nobody knows whether it is signed in', { signed_in: 'unknown' }, 'ok', undefined],
    ['is not registered where that is needed', { allowed: false }, 'warn', 'agent_not_registered'],
    ['pauses', { cooldown_ms: 30_000, cooldown_code: 'quota_exhausted' }, 'warn', 'quota_exhausted'],
    ['has another driver in its place', { fallback_driver: 'headless' }, 'warn', undefined],
    ['has no slots', { max_concurrent: 0 }, 'warn', undefined],
    ['is disabled', { enabled: false, health: 'unavailable' }, 'skipped', undefined],
    ['has a lost node', { alive: false }, 'skipped', undefined],
    [
      'is of a version it is not pinned to',
      { health: 'unavailable', problem: toErrorBody(new CcliError('version_mismatch')) },
      'fail',
      'version_mismatch',
    ],
  ])('that %s', (_, over, outcome, code) => {
    const [found, ...others] = judgeAgent(agentView('walnut-gemini', over));
    expect(others).toEqual([]);
    expect(found).toMatchObject({ agent_id: 'walnut-gemini', outcome });
    expect(found?.code).toBe(code);
  });

  test('shows its version, pin, Node and slots', () => {
    const [found] = judgeAgent(
      agentView('a', { cli_version: '0.61.0', expected_version: '^0.61', node_version: 'v22.14.0' }),
    );
    expect(found?.says).toMatch(/0\.61\.0, pinned to \^0\.61, Node 22\.14\.0, signed in, 2 slots/);
  });
});

const done = (took_ms: number): PromptResult => ({ ended: 'completed', took_ms, first_chunk_ms: 5 });
const broke = (code: ErrorCode): PromptResult => ({
  ended: 'failed',
  took_ms: 1,
  error: toErrorBody(new CcliError(code)),
});

describe('prompts', () => {
  test('a rate limit is worth a look, any other failure is one', () => {
    expect(judgePrompt('a', done(1_500))).toMatchObject({ outcome: 'ok', took_ms: 1_500 });
    expect(judgePrompt('a', broke('rate_limited'))).toMatchObject({ outcome: 'warn', code: 'rate_limited' });
    expect(judgePrompt('a', broke('empty_reply'))).toMatchObject({ outcome: 'fail', code: 'empty_reply' });
  });

  test.each([
    [1, []],
    [2, [2]],
    [3, [2, 3]],
    [4, [2, 4]],
    [8, [2, 4, 8]],
    [10, [2, 4, 8, 10]],
  ])('up to %i at a time are tried as %j', (bound, sizes) => {
    expect(sizesUpTo(bound)).toEqual(sizes);
  });

  const batch = (...results: PromptResult[]): Batch => ({ size: results.length, results });

  test('the largest batch that worked is told, with how the time grew', () => {
    const batches = [batch(done(100)), batch(done(110), done(120))];
    const found = judgeConcurrency({ agent_id: 'a', slots: 8, bound: 2, batches });
    expect(found).toMatchObject({ outcome: 'ok', took_ms: 120 });
    expect(found.says).toBe(
      '2 at a time worked (the slowest of each batch: 1: 100 ms, 2: 120 ms); 8 slots are there, and 2 was the most to be tried.',
    );
  });

  test('a batch that met the rate limit names the number of slots that would not', () => {
    const batches = [
      batch(done(1)),
      batch(done(1), done(1)),
      batch(done(1), broke('rate_limited'), done(1), done(1)),
    ];
    const found = judgeConcurrency({ agent_id: 'a', slots: 4, bound: 4, batches });
    expect(found).toMatchObject({ outcome: 'warn', code: 'rate_limited' });
    expect(found.says).toContain('of 4 at a time 1 failed with rate_limited');
    expect(found.mend).toContain('--max-concurrent 2');
  });
});
