import { expect, test } from 'vitest';
import { createStages } from '../../../coordinator/cli/stages.ts';
import { CcliError, type ErrorCode, toErrorBody } from '../../../protocol/errors.ts';

test.each<[ErrorCode, boolean, string]>([
  ['wrong_instance', false, 'attempt 2 was refused (wrong_instance); queued again'],
  ['node_lost', false, 'attempt 2 ended with node_lost; queued again'],
  ['cli_crashed', true, 'attempt 2 ended with cli_crashed; queued again'],
])('%s, started %s: %s', (code, started, sentence) => {
  const said: string[] = [];
  const stages = createStages({ stage: text => said.push(text), note: () => {}, pause: () => {} });
  stages.onView({
    task_id: 'abc',
    status: 'queued',
    caller: 'cli',
    prompt_bytes: 1,
    options: {},
    attempts: [{ attempt: 2, node: 'n', agent_id: 'a', instance_id: 'i', epoch: 1, started }],
    error: toErrorBody(new CcliError(code)),
    created_at_ms: 0,
    updated_at_ms: 0,
  });
  expect(said.at(-1)).toBe(sentence);
});
