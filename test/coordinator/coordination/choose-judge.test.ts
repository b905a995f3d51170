import { expect, test } from 'vitest';
import { chooseJudge } from '../../../coordinator/coordination/choose-judge.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import { ollamaView as agentView } from '../../support/agent-view.ts';

const judge = (agents: readonly AgentView[], failed: string[] = [], answered: string[] = []) =>
  chooseJudge(agents, { failed: new Set(failed), answered: new Set(answered), prompt_bytes: 1_000 });

const REASONING = agentView('thinker', { specialty: ['reasoning'], priority: -5 });
const GENERAL = agentView('general');
const TESTER = agentView('tester', { specialty: ['tester'], priority: 50 });

test('a reasoning agent judges before a generalist, and that before whoever has the highest priority', () => {
  expect(judge([TESTER, GENERAL, REASONING])).toMatchObject({ agent_id: 'thinker', specialty: 'reasoning' });
  expect(judge([TESTER, GENERAL])).toMatchObject({ agent_id: 'general', specialty: 'general_ai' });
  expect(judge([agentView('low', { specialty: ['tester'] }), TESTER])).toMatchObject({ agent_id: 'tester' });
});

test('one that failed here judges only when there is no other', () => {
  expect(judge([REASONING, TESTER], ['thinker'])?.agent_id).toBe('tester');
  expect(judge([REASONING], ['thinker'])).toMatchObject({
    agent_id: 'thinker',
    why: 'the best reasoning agent; it failed here before, and there is no other',
  });
});

test('of equals, one judges that has not answered itself', () => {
  const agents = [agentView('a'), agentView('b')];
  expect(judge(agents, [], ['a'])?.agent_id).toBe('b');
  expect(judge(agents, [], ['a', 'b'])).toMatchObject({
    agent_id: 'a',
    why: expect.stringContaining('it answered too') as string,
  });
});

test('nobody judges who cannot be asked or takes no prompt of that length', () => {
  const small = agentView('small', { max_prompt_bytes: 10 });
  expect(judge([agentView('off', { enabled: false }), small])).toBeUndefined();
  expect(judge([])).toBeUndefined();
});
