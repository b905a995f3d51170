import { expect, test } from 'vitest';
import { judgeServerFailure } from '../../../../node-agent/drivers/ollama/evidence.ts';

const about = { endpoint: 'http://here:11434', model: 'llama3', agent_id: 'one', status: 500 };
const LONG = 1_000_000;

test.each(['exceed ', 'outof', 'exceedcontext', 'runner ', 'invalid ', 'prompt is ', 'error '])(
  'an error of megabytes of "%s" is judged like any other',
  word => {
    const error = judgeServerFailure({ ...about, says: word.repeat(LONG) });
    expect(error.code).toBe('model_unavailable');
    expect(error.message.length).toBeLessThan(1_000);
  },
);

test('the last words of a long error count as its first ones do', () => {
  const filler = 'x '.repeat(LONG);
  expect(judgeServerFailure({ ...about, says: `${filler}cudaMalloc failed` }).code).toBe('out_of_memory');
  expect(judgeServerFailure({ ...about, says: `prompt too long ${filler}` }).code).toBe('context_too_long');
});
