import { describe, expect, test } from 'vitest';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import type { TaskEntry } from '../../coordinator/task-entry.ts';
import { queuedState, type TaskState, type TaskStatus } from '../../protocol/task.ts';

function sessions() {
  const mirror = createMirror({ clock: () => 0, onChange: () => undefined });
  let revision = 1_000;
  const submit = (task_id: string, seq: number, session_id?: string, caller = 'ann'): void => {
    const options = session_id === undefined ? {} : { session_id };
    mirror.apply({
      record: 'request',
      request: { task_id, caller, prompt_bytes: 4, options },
      revision: seq,
      created_at_ms: 1,
    });
  };
  const become = (task_id: string, status: TaskStatus, agent_id = 'walnut-gemini'): void => {
    revision += 1;
    const attempt = { node: 'walnut', agent_id, instance_id: 'i', epoch: 1, attempt: 1, started: true };
    const state: TaskState = {
      ...queuedState(task_id, 1),
      status,
      attempts: [attempt],
      ...(status === 'completed' && { result_attempt: 1 }),
    };
    mirror.apply({ record: 'state', state, revision });
  };
  return { mirror, submit, become };
}

const entry = (mirror: Mirror, task_id: string): TaskEntry => {
  const found = mirror.get(task_id);
  if (found === undefined) throw new Error(`no task ${task_id}`);
  return found;
};
const earlier = (mirror: Mirror, task_id: string): string[] =>
  mirror.session(entry(mirror, task_id)).map(turn => turn.task_id);
const facts = (mirror: Mirror, task_id: string) => mirror.sessionFacts(entry(mirror, task_id));

describe('the tasks of a session', () => {
  test('are told in the order of their arrival, whatever order they are heard of in', () => {
    const { mirror, submit } = sessions();
    for (const [task_id, seq] of [
      ['c', 30],
      ['a', 10],
      ['d', 40],
      ['b', 20],
    ] as const)
      submit(task_id, seq, 's1');
    submit('other-session', 15, 's2');
    submit('other-caller', 16, 's1', 'bob');
    submit('none', 17);
    expect(earlier(mirror, 'd')).toEqual(['a', 'b', 'c']);
    expect(earlier(mirror, 'a')).toEqual([]);
    expect(earlier(mirror, 'none')).toEqual([]);
    expect(facts(mirror, 'none')).toBeUndefined();
    expect(facts(mirror, 'other-caller')).toEqual({ earlier_pending: false });
  });

  test('wait for each other, also for one that is not the one right before', () => {
    const { mirror, submit, become } = sessions();
    submit('a', 10, 's1');
    submit('b', 20, 's1');
    submit('c', 30, 's1');
    expect(facts(mirror, 'a')).toEqual({ earlier_pending: false });
    expect(facts(mirror, 'c')).toEqual({ earlier_pending: true });
    become('a', 'running');
    become('b', 'cancelled');
    expect(facts(mirror, 'c')).toEqual({ earlier_pending: true });
    become('a', 'completed', 'oak-llama');
    expect(facts(mirror, 'c')).toEqual({
      earlier_pending: false,
      agent: { node: 'walnut', agent_id: 'oak-llama' },
    });
  });

  test('name the agent that answered last, not one that failed since', () => {
    const { mirror, submit, become } = sessions();
    submit('a', 10, 's1');
    submit('b', 20, 's1');
    submit('c', 30, 's1');
    become('a', 'completed', 'walnut-gemini');
    become('b', 'failed', 'oak-llama');
    expect(facts(mirror, 'c')?.agent?.agent_id).toBe('walnut-gemini');
  });

  test('are forgotten with the tasks, by a purge, a rebuild, or an id used again', () => {
    const { mirror, submit, become } = sessions();
    submit('a', 10, 's1');
    become('a', 'completed');
    submit('b', 20, 's1');
    submit('c', 30, 's1');
    mirror.forget('a', 10);
    expect(earlier(mirror, 'b')).toEqual([]);
    expect(facts(mirror, 'b')).toEqual({ earlier_pending: false });
    submit('b', 2_000, 's2');
    expect(facts(mirror, 'c')).toEqual({ earlier_pending: false });
    expect(earlier(mirror, 'c')).toEqual([]);
    const known = entry(mirror, 'c');
    mirror.rebuild([]);
    expect(mirror.session(known)).toEqual([]);
  });
});
