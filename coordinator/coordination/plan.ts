/** Who is asked what: pure, from the agents there are and from what was asked already. */
import type { CoordinateRequest, Strategy } from '../../protocol/coordination.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { AgentView, TaskView } from '../../protocol/operation.ts';
import { type Choice, chooseAgents, type Selection } from './choose.ts';
import { chooseJudge } from './choose-judge.ts';
import type { FoundPart } from './found.ts';
import { JUDGE_OVERHEAD_BYTES } from './judge-prompts.ts';
import { partId } from './part-id.ts';
import { ANSWER_OVERHEAD_BYTES } from './prompts.ts';

export interface PlannedPart {
  readonly task_id: string;
  readonly choice: Choice;
  /** The task, when it is there already. */
  readonly found?: TaskView;
}

export interface Plan {
  /** A part's place here, from 1, is the number by which a judge calls its answer. */
  readonly parts: readonly PlannedPart[];
  /** Asked already. */
  readonly judge: PlannedPart | undefined;
  readonly notes: readonly string[];
  readonly incomplete: boolean;
}

interface PlanInput {
  readonly coordination_id: string;
  readonly request: CoordinateRequest;
  readonly strategy: Strategy;
  readonly agents: readonly AgentView[];
  readonly found: readonly FoundPart[];
}

export function planParts(input: PlanInput): Plan {
  const { coordination_id, strategy, agents, found } = input;
  const planned = found.map((part): PlannedPart & { readonly role: FoundPart['role'] } => ({
    role: part.role,
    task_id: part.view.task_id,
    choice: choiceAgain(part, agents),
    found: part.view,
  }));
  const answers = planned.filter(({ role }) => role === 'answer');
  const judge = planned.find(({ role }) => role === 'judge');
  const of = Math.max(0, ...found.map(part => (part.role === 'answer' ? part.of : 0)));
  // A judge is asked when the answers are in, and the first success is all that `first` wants: then none is missing.
  const decided = strategy === 'first' && answers.some(({ found: view }) => view?.status === 'completed');
  const whole = judge !== undefined || decided || (answers.length > 0 && answers.length >= of);
  if (whole) return { parts: answers, judge, notes: [], incomplete: false };
  const { choices, notes, incomplete } = missing(input, answers, of);
  const count = Math.max(of, answers.length + choices.length);
  const free = Array.from({ length: count }, (_, index) => index + 1).filter(number =>
    found.every(part => part.role === 'judge' || part.number !== number),
  );
  const fresh = choices.map((choice, index) => {
    const number = free[index] ?? count;
    const { specialty, agent_id } = choice;
    const name = { role: 'answer' as const, number, of: count, specialty };
    return { number, part: { task_id: partId(coordination_id, name, agent_id), choice } };
  });
  const there = answers.map((part, index) => ({ number: numberOf(found[index]) ?? index + 1, part }));
  const parts = [...there, ...fresh].sort((a, b) => a.number - b.number).map(({ part }) => part);
  return { parts, judge, notes, incomplete };
}

const numberOf = (part: FoundPart | undefined): number | undefined =>
  part?.role === 'answer' ? part.number : undefined;

function missing({ request, agents }: PlanInput, answers: readonly PlannedPart[], of: number): Selection {
  const wish = {
    requirements: request.prompt,
    prompt_bytes: bytesOf(request.prompt) + ANSWER_OVERHEAD_BYTES,
    named: request.agents,
    max_agents: of > 0 ? of : request.max_agents,
    taken: answers.map(({ choice }) => choice),
  };
  try {
    return chooseAgents(agents, wish);
  } catch (error) {
    // What was asked already counts, whatever has become of the others since.
    if (answers.length === 0 || !(error instanceof CcliError)) throw error;
    return { choices: [], notes: [error.message], incomplete: true };
  }
}

function choiceAgain({ agent_id, specialty }: FoundPart, agents: readonly AgentView[]): Choice {
  const agent = agents.find(known => known.agent_id === agent_id);
  return {
    agent_id,
    specialty,
    ...(agent !== undefined && { node: agent.node, agent_type: agent.agent_type }),
    why: 'it was asked already under this coordination_id',
  };
}

/** Room that an answer needs at least for a judge to make something of it. */
const LEAST_ANSWER_BYTES = 1_024;

interface JudgeInput {
  readonly agents: readonly AgentView[];
  readonly requirements: string;
  readonly answers: number;
  readonly failed: ReadonlySet<string>;
  readonly answered: ReadonlySet<string>;
}

export const planJudge = ({
  agents,
  requirements,
  answers,
  failed,
  answered,
}: JudgeInput): Choice | undefined =>
  chooseJudge(agents, {
    failed,
    answered,
    prompt_bytes: bytesOf(requirements) + JUDGE_OVERHEAD_BYTES + answers * LEAST_ANSWER_BYTES,
  });

export const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength;
