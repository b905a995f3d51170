import { describe, expect, test } from 'vitest';
import { colorsFor } from '../../../../coordinator/cli/render/colors.ts';
import { taskDetails } from '../../../../coordinator/cli/render/task.ts';
import type { TaskView } from '../../../../protocol/operation.ts';

const view = (over: Partial<TaskView>): TaskView => ({
  task_id: 'abc',
  status: 'cancelled',
  caller: 'cli',
  prompt_bytes: 1,
  options: {},
  attempts: [],
  created_at_ms: 0,
  updated_at_ms: 0,
  ...over,
});
const details = (over: Partial<TaskView>): string => taskDetails(view(over), colorsFor(false, {}), 0);
const attempt = { attempt: 1, node: 'n', agent_id: 'a', instance_id: 'i', epoch: 1, started: true };

describe('the details of a task', () => {
  test('tell of a confirmed stop only when a node had something to stop', () => {
    const error = { code: 'node_lost', message: 'Lost.', retryable: true } as const;
    expect(details({ stop_confirmed: true })).not.toContain('confirmed');
    expect(details({ stop_confirmed: true, attempts: [{ ...attempt, error }] })).not.toContain('confirmed');
    expect(details({ stop_confirmed: true, attempts: [attempt] })).toContain('confirmed by the node');
  });

  test('tell of a silent node and of the deadline', () => {
    const shown = details({
      status: 'running',
      node: 'walnut',
      suspect: true,
      options: { deadline_ms: 7_200_000 },
    });
    expect(shown).toMatch(/^suspect +node walnut is silent; if it stays so, the task is tried elsewhere$/m);
    expect(shown).toMatch(/^asked for +ended within 2 h$/m);
  });

  test('tell of an answer that came over SSH', () => {
    const shown = details({ transport: 'ssh', attempts: [{ ...attempt, transport: 'ssh' }] });
    expect(shown).toMatch(/^transport +over ssh$/m);
    expect(shown).toContain('n (over ssh)');
    expect(details({ transport: 'nats', attempts: [attempt] })).not.toMatch(/transport|ssh/);
  });

  test('say without alarm that a tool does not tell whether its answer is whole', () => {
    const shown = details({ status: 'completed', response: 'x', completeness: 'unknown' });
    expect(shown).toMatch(/^completeness +unknown \(the tool does not tell\)$/m);
    expect(shown).toMatch(/^answer +1 B \(ccli task wait abc\)$/m);
  });

  test('tell of the chain, of who stood in, of the session, and of the time to load the model', () => {
    const shown = details({
      status: 'completed',
      load_ms: 8_100,
      fallback: { position: 2, why: 'cli_gemini cools down; cli_qwen is lost' },
      options: {
        fallback: ['cli_gemini', 'cli_qwen', 'ollama'],
        session_id: 's1',
        min_gpu_memory_bytes: 20 * 1024 ** 3,
        group: 'g1',
      },
    });
    expect(shown).toMatch(
      /^asked for +20 GiB of GPU memory, fallback cli_gemini -> cli_qwen -> ollama, session s1, group g1$/m,
    );
    expect(shown).toMatch(/^fallback +cli_gemini cools down; cli_qwen is lost$/m);
    expect(shown).toMatch(/^model loaded +in 8.1 s$/m);
  });
});
