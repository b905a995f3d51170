import { describe, expect, test } from 'vitest';
import {
  ListRequestSchema,
  RetryRequestSchema,
  SubmitRequestSchema,
  TestAgentRequestSchema,
} from '../../protocol/operation.ts';

describe('a request of a caller', () => {
  test('to list tasks names one status or several, and who they are of', () => {
    for (const status of ['queued', ['failed', 'cancelled']])
      expect(ListRequestSchema.safeParse({ status, agent_id: 'one', caller: 'ann' }).success).toBe(true);
    for (const status of ['done', [], ['done'], ['queued', 'done']])
      expect(ListRequestSchema.safeParse({ status }).success).toBe(false);
  });

  test('to run a task again takes no other prompt and no other options', () => {
    expect(RetryRequestSchema.safeParse({ task_id: 'a', new_task_id: 'b' }).success).toBe(true);
    expect(RetryRequestSchema.safeParse({ task_id: 'a', prompt: 'b' }).success).toBe(false);
    expect(RetryRequestSchema.safeParse({ new_task_id: 'b' }).success).toBe(false);
  });

  test('to test an agent sends it a prompt unless told otherwise', () => {
    expect(TestAgentRequestSchema.parse({ agent_id: 'one' })).toEqual({ agent_id: 'one', canary: true });
  });

  test('says that its prompt is a conversation by true alone', () => {
    expect(SubmitRequestSchema.safeParse({ prompt: '{}', conversation: true }).success).toBe(true);
    for (const conversation of [false, 'true', 1, {}])
      expect(SubmitRequestSchema.safeParse({ prompt: '{}', conversation }).success).toBe(false);
  });
});
