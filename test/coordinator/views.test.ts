import { describe, expect, test } from 'vitest';
import type { TaskEntry } from '../../coordinator/task-entry.ts';
import { agentView, nodeView, taskSummary, taskView } from '../../coordinator/views.ts';
import {
  AgentViewSchema,
  NodeViewSchema,
  TaskSummarySchema,
  TaskViewSchema,
} from '../../protocol/operation.ts';
import { type Attempt, queuedState, type TaskResult, type TaskState } from '../../protocol/task.ts';
import { advertOf } from '../support/advert.ts';
import { agent } from './core/snapshot.ts';

const attempt = (number: number, more: Partial<Attempt> = {}): Attempt => ({
  node: `node-${number}`,
  agent_id: `agent-${number}`,
  instance_id: 'i1',
  epoch: 1,
  attempt: number,
  started: true,
  ...more,
});

const entry = (state: Partial<TaskState> = {}, more: Partial<TaskEntry> = {}): TaskEntry => ({
  task_id: 't1',
  caller: 'local',
  options: { priority: 2 },
  prompt_bytes: 4,
  seq: 1,
  created_at_ms: 1_000,
  accepted_since_ms: 0,
  ended_since_ms: undefined,
  state: { ...queuedState('t1', 1), ...state },
  state_revision: 1,
  cancel_requested: false,
  queued_since_ms: 0,
  not_before_ms: 0,
  waiting_for: undefined,
  ...more,
});

const result: TaskResult = {
  v: 1,
  task_id: 't1',
  attempt: 1,
  text: { inline: '4' },
  completeness: 'whole',
  usage: { total_tokens: 5 },
  model: 'gemini-2.5-pro',
  cli_version: '0.61.0',
  run_ms: 80,
  first_chunk_ms: 20,
  warm: true,
};

describe('a task as its caller sees it', () => {
  test('is suspect while the node that runs it is silent', () => {
    expect(taskView(entry({ status: 'running' }), { suspect: true })).toMatchObject({ suspect: true });
    expect(taskView(entry({ status: 'running' }))).not.toHaveProperty('suspect');
  });

  test('while queued says what it waits for, and has not been changed before it was made', () => {
    const view = taskView(entry({}), { waiting_for: 'All 2 slots are taken.' });
    expect(TaskViewSchema.parse(view)).toEqual({
      task_id: 't1',
      status: 'queued',
      caller: 'local',
      prompt_bytes: 4,
      options: { priority: 2 },
      waiting_for: 'All 2 slots are taken.',
      attempts: [],
      created_at_ms: 1_000,
      updated_at_ms: 1_000,
    });
  });

  test('while running names where, and waits for nothing', () => {
    const running = entry(
      { status: 'running', attempts: [attempt(1), attempt(2)] },
      { waiting_for: 'stale' },
    );
    const view = taskView(running);
    expect(view).toMatchObject({ agent_id: 'agent-2', node: 'node-2' });
    expect(view).not.toHaveProperty('waiting_for');
  });

  test('once completed carries the answer and names the attempt that gave it', () => {
    const state = {
      status: 'completed',
      attempts: [attempt(1), attempt(2)],
      result_attempt: 1,
      updated_at_ms: 2_000,
    } as const;
    expect(
      TaskViewSchema.parse(taskView(entry({ ...state, attempts: [...state.attempts] }), { result })),
    ).toMatchObject({
      status: 'completed',
      agent_id: 'agent-1',
      response: '4',
      completeness: 'whole',
      usage: { total_tokens: 5 },
      model: 'gemini-2.5-pro',
      cli_version: '0.61.0',
      execution_time_ms: 80,
      first_chunk_ms: 20,
      warm: true,
      updated_at_ms: 2_000,
    });
  });

  test('says over which wire its node was reached, once it has one', () => {
    expect(taskView(entry({}))).not.toHaveProperty('transport');
    const attempts = [attempt(1, { transport: 'ssh' }), attempt(2)];
    expect(taskView(entry({ status: 'running', attempts })).transport).toBe('nats');
    const state = { status: 'completed' as const, attempts, result_attempt: 1 };
    expect(TaskViewSchema.parse(taskView(entry(state))).transport).toBe('ssh');
  });

  test('with a long answer refers to its slices', () => {
    const ref = { slices: 2, size_bytes: 300_000, sha256: '0'.repeat(64) };
    const view = taskView(entry({ status: 'completed' }), { result: { ...result, text: { ref } } });
    expect(view.response_ref).toEqual(ref);
    expect(view).not.toHaveProperty('response');
  });

  test('once failed or cancelled says why and whether it was stopped', () => {
    const error = { code: 'cli_crashed', message: 'It ended.', retryable: true } as const;
    expect(taskView(entry({ status: 'failed', error }))).toMatchObject({
      status: 'failed',
      error,
    });
    expect(taskView(entry({ status: 'cancelled', stop_confirmed: false })).stop_confirmed).toBe(false);
  });

  test('in a list counts its attempts', () => {
    const summary = taskSummary(entry({ status: 'running', attempts: [attempt(1), attempt(2)] }));
    expect(TaskSummarySchema.parse(summary)).toEqual({
      task_id: 't1',
      status: 'running',
      caller: 'local',
      prompt_bytes: 4,
      agent_id: 'agent-2',
      node: 'node-2',
      created_at_ms: 1_000,
      updated_at_ms: 1_000,
      attempts: 2,
    });
  });
});

describe('an agent as callers see it', () => {
  test.each([
    ['walnut-gemini 0/2', true],
    ['walnut-gemini 1/2', true],
    ['walnut-gemini 2/2', false],
    ['walnut-gemini 0/2 silent', false],
    ['walnut-gemini 0/2 contested', false],
    ['walnut-gemini 0/2 draining', false],
    ['walnut-gemini 0/2 disabled', false],
    ['walnut-gemini 0/2 starting', false],
    ['walnut-gemini 0/2 broken', false],
    ['walnut-gemini 0/2 cooling', false],
  ])('"%s" is available: %s', (text, available) => {
    expect(AgentViewSchema.parse(agentView(agent(text))).available).toBe(available);
  });

  test('is not available the way its policy keeps it from', () => {
    const ready = agent('walnut-gemini 0/2');
    const view = agentView({ ...ready, transport: 'ssh', ssh_fallback: 'on' });
    expect(AgentViewSchema.parse(view)).toMatchObject({
      available: true,
      transport: 'ssh',
      ssh_fallback: 'on',
    });
    expect(agentView({ ...ready, transport: 'ssh', ssh_fallback: 'off' }).available).toBe(false);
    expect(agentView({ ...ready, ssh_fallback: 'only' }).available).toBe(false);
  });

  test('runs what it was given, though its node does not say so yet', () => {
    expect(agentView({ ...agent('walnut-gemini 0/2'), used: 1 }).running).toBe(1);
  });
});

test('a node as callers see it sums up its agents', () => {
  const advert = advertOf({
    agents: [agent('a 0/2').status, agent('b 0/3').status],
    running: [{ task_id: 't1', attempt: 1, agent_id: 'a', elapsed_ms: 5 }],
  });
  const view = nodeView({ advert, alive: true, contested: false, silent_ms: 40 });
  expect(NodeViewSchema.parse(view)).toMatchObject({
    agents: 2,
    running: 1,
    slots: 5,
    silent_ms: 40,
    alive: true,
  });
  expect(view).not.toHaveProperty('v');
  expect(view).not.toHaveProperty('transport');
  const lined = nodeView({ advert, alive: true, contested: false, silent_ms: 40, transport: 'ssh' });
  expect(NodeViewSchema.parse(lined).transport).toBe('ssh');
});
