/** Who compares or synthesizes the answers. */
import type { AgentView } from '../../protocol/operation.ts';
import { type Choice, compareAgents } from './choose.ts';
import { unusable } from './eligibility.ts';
import type { Specialty } from './relevance.ts';

interface JudgeWish {
  /** Of those that failed in this coordination: taken only when there is nobody else. */
  readonly failed: ReadonlySet<string>;
  /** Of those whose answers are judged: another one is less partial. */
  readonly answered: ReadonlySet<string>;
  readonly prompt_bytes: number;
}

/** Undefined when no agent can be asked. */
export function chooseJudge(
  agents: readonly AgentView[],
  { failed, answered, prompt_bytes }: JudgeWish,
): Choice | undefined {
  const [judge] = agents
    .filter(agent => unusable(agent, prompt_bytes) === undefined)
    .sort(
      (a, b) =>
        Number(failed.has(a.agent_id)) - Number(failed.has(b.agent_id)) ||
        rank(a) - rank(b) ||
        Number(answered.has(a.agent_id)) - Number(answered.has(b.agent_id)) ||
        compareAgents(a, b),
    );
  if (judge === undefined) return undefined;
  const { agent_id, node, agent_type } = judge;
  const specialty = specialtyOf(judge);
  return { agent_id, node, agent_type, specialty, why: `${WHY[rank(judge)] ?? ''}${partiality(judge)}` };

  function partiality({ agent_id: id }: AgentView): string {
    if (failed.has(id)) return '; it failed here before, and there is no other';
    return answered.has(id) ? '; it answered too' : '';
  }
}

const WHY = [
  'the best reasoning agent',
  'the best generalist, as no reasoning agent can be asked',
  'the best agent there is',
];

const rank = ({ specialty }: AgentView): 0 | 1 | 2 => {
  if (specialty.includes('reasoning')) return 0;
  return specialty.includes('general_ai') || specialty.length === 0 ? 1 : 2;
};

const specialtyOf = (agent: AgentView): Specialty =>
  rank(agent) === 0 ? 'reasoning' : rank(agent) === 1 ? 'general_ai' : (agent.specialty[0] ?? 'general_ai');
