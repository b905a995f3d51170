/** The answers, looked at by one more agent: which is best, or one made of all. */
import { CcliError, type ErrorBody } from '../../protocol/errors.ts';
import type { AgentView } from '../../protocol/operation.ts';
import { type Asked, awaitEnd, stopPart, submitPart } from './ask.ts';
import { cutBytes, cutChars } from './cut-text.ts';
import { bestPrompt, JUDGE_OVERHEAD_BYTES, type JudgedAnswer, synthesisPrompt } from './judge-prompts.ts';
import { partId } from './part-id.ts';
import { bytesOf, type PlannedPart, planJudge } from './plan.ts';
import { type ReadAnswer, readAnswer } from './read-answer.ts';
import type { Tools } from './tools.ts';

/** An answer that came in, by its number in the plan. */
export interface Candidate extends JudgedAnswer {
  readonly agent_id: string;
}

interface JudgeOptions {
  readonly strategy: 'best' | 'synthesize';
  readonly requirements: string;
  readonly candidates: readonly Candidate[];
  readonly failed: ReadonlySet<string>;
  /** Asked under this coordination before. */
  readonly found: PlannedPart | undefined;
  /** Whether the caller has named a budget. */
  readonly budgeted: boolean;
}

export interface Judgement {
  /** Absent when nobody could be asked. */
  readonly asked?: Asked;
  readonly answer?: ReadAnswer;
  readonly error?: ErrorBody;
  readonly notes: readonly string[];
}

/** Characters of all answers together that a judge gets to see: a context that models of every size have. */
const JUDGED_CHARS = 96_000;
const LONGEST_JUDGED_CHARS = 32_768;

export async function judgeAnswers(tools: Tools, options: JudgeOptions): Promise<Judgement> {
  const { found } = options;
  if (found?.found !== undefined) return await judged(tools, { part: found, view: found.found }, []);
  const { agents } = await tools.operations.agents({}, tools.context);
  const { candidates, requirements, failed } = options;
  const choice = planJudge({
    agents,
    requirements,
    answers: candidates.length,
    failed,
    answered: new Set(candidates.map(({ agent_id }) => agent_id)),
  });
  if (choice === undefined) return { notes: ['No agent can be asked to judge the answers.'] };
  const deadline_ms = Math.floor(tools.left());
  if (deadline_ms < 1) return { notes: ['No time of the budget was left to judge the answers.'] };
  const task_id = partId(
    tools.coordination_id,
    { role: 'judge', specialty: choice.specialty },
    choice.agent_id,
  );
  const part = { task_id, choice };
  const { prompt, notes } = promptOf(options, limitOf(agents, choice.agent_id));
  const timeout_ms = options.budgeted ? deadline_ms : undefined;
  const asked = await submitOrTakeUp(tools, { part, prompt, deadline_ms, timeout_ms });
  return await judged(tools, asked, notes);
}

/** The smallest limit of those that have the id: the task may go to any of them. */
const limitOf = (agents: readonly AgentView[], agent_id: string): number =>
  Math.min(...agents.filter(agent => agent.agent_id === agent_id).map(agent => agent.max_prompt_bytes));

/** The same request, taken by another coordinator at the same time, may have asked with answers cut elsewhere. */
async function submitOrTakeUp(tools: Tools, question: Parameters<typeof submitPart>[1]): Promise<Asked> {
  const { operations, context } = tools;
  try {
    return await submitPart(tools, question, context.signal);
  } catch (error) {
    if (!(error instanceof CcliError) || error.code !== 'idempotency_conflict') throw error;
    const view = await operations.get({ task_id: question.part.task_id }, context);
    return { part: question.part, view };
  }
}

async function judged(tools: Tools, asked: Asked, notes: readonly string[]): Promise<Judgement> {
  const ended = await awaitEnd(tools, asked, tools.left, tools.context.signal);
  if (tools.context.signal.aborted) return { asked: ended, notes };
  const stopped = await stopPart(tools, ended, 'budget');
  return { asked: stopped, answer: await readAnswer(tools, stopped.view), notes };
}

function promptOf(
  { strategy, requirements, candidates }: JudgeOptions,
  max_prompt_bytes: number,
): { prompt: string; notes: string[] } {
  const chars = Math.min(LONGEST_JUDGED_CHARS, Math.floor(JUDGED_CHARS / candidates.length));
  const room = max_prompt_bytes - bytesOf(requirements) - JUDGE_OVERHEAD_BYTES;
  const bytes = Math.max(0, Math.floor(room / candidates.length));
  const answers = candidates.map(candidate => {
    const { text, cut } = cutChars(candidate.text, chars);
    const fitting = cutBytes(text, bytes);
    return { ...candidate, text: fitting.text, cut: candidate.cut || cut || fitting.cut };
  });
  const cut = answers.filter(answer => answer.cut).map(({ agent_id }) => agent_id);
  const notes =
    cut.length === 0
      ? []
      : [
          `Of the ${cut.length === 1 ? 'answer' : 'answers'} of ${cut.join(', ')} the judge has seen only the beginning.`,
        ];
  return { prompt: (strategy === 'best' ? bestPrompt : synthesisPrompt)(requirements, answers), notes };
}
