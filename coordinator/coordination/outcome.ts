/** What came of a coordination: pure, from what its parts ended with. Nothing that went wrong is left out. */
import type { CoordinateReply, Part, Strategy } from '../../protocol/coordination.ts';
import { CcliError, type ErrorBody, toErrorBody } from '../../protocol/errors.ts';
import { isTerminal } from '../../protocol/task.ts';
import type { Asked } from './ask.ts';
import type { Judgement } from './judge.ts';
import { readVerdict } from './judge-prompts.ts';
import type { PlannedPart } from './plan.ts';
import { TASK_TYPE } from './prompts.ts';
import type { ReadAnswer } from './read-answer.ts';

export interface AnswerPart extends ReadAnswer {
  /** Its place in the plan, from 1. */
  readonly number: number;
  readonly asked: Asked;
}

interface Ended {
  readonly coordination_id: string;
  readonly strategy: Strategy;
  readonly answers: readonly AnswerPart[];
  /** Of `first`: whose success ended the others. */
  readonly winner: string | undefined;
  readonly judgement: Judgement | undefined;
  readonly notes: readonly string[];
  /** An agent that was asked for could not be asked. */
  readonly incomplete: boolean;
  readonly took_ms: number;
}

export function outcomeOf(ended: Ended): CoordinateReply {
  const { coordination_id, strategy, answers, judgement, took_ms } = ended;
  const completed = answers.filter(({ asked }) => asked.view?.status === 'completed');
  const won = strategy === 'first' && completed.length > 0;
  const problems = answers.flatMap(answer => {
    const error = problemOf(answer.asked, won);
    return error === undefined ? [] : [{ answer, error }];
  });
  const parts = [
    ...answers.map(answer => partOf('answer', answer.asked, answer, problemOf(answer.asked, won))),
    ...(judgement?.asked === undefined
      ? []
      : [partOf('judge', judgement.asked, judgement.answer ?? {}, problemOf(judgement.asked, false))]),
  ];
  const notes = [
    ...ended.notes,
    ...problems.map(({ answer, error }) => `${label(answer.asked.part)} ${failure(error)}`),
    ...answers.flatMap(unreadable),
    ...answers.flatMap(({ asked }) => unconfirmed(asked)),
  ];
  const base = { coordination_id, strategy, parts, took_ms };
  if (completed.length === 0)
    return {
      ...base,
      status: 'failed',
      notes,
      error: allFailed(
        problems.map(({ error }) => error),
        answers,
      ),
    };
  const incomplete =
    ended.incomplete || problems.length > 0 || answers.some(({ error }) => error !== undefined);
  const result = resultOf(ended, completed);
  return {
    ...base,
    status: incomplete || result.partial ? 'partial' : 'completed',
    notes: [...notes, ...result.notes],
    ...(result.answer !== undefined && answerFields(result.answer)),
    ...(result.reason !== undefined && { reason: result.reason }),
  };
}

/** What a plan looks like before anything is asked. */
export function plannedPart(role: Part['role'], { task_id, choice }: PlannedPart): Part {
  const { agent_id, node, agent_type, specialty, why } = choice;
  return {
    task_id,
    role,
    agent_id,
    ...(node !== undefined && { node }),
    ...(agent_type !== undefined && { agent_type }),
    specialty,
    task_type: role === 'judge' ? 'analysis' : TASK_TYPE[specialty],
    why,
    status: 'planned',
  };
}

function partOf(
  role: Part['role'],
  asked: Asked,
  { text }: ReadAnswer,
  problem: ErrorBody | undefined,
): Part {
  const { view } = asked;
  return {
    ...plannedPart(role, asked.part),
    ...(view?.node !== undefined && { node: view.node }),
    status: view?.status ?? 'failed',
    ...(text !== undefined && { response: text.text }),
    ...(text?.cut === true && { response_cut: true }),
    ...(view?.completeness !== undefined && { completeness: view.completeness }),
    ...(problem !== undefined && { error: problem }),
    ...(view?.execution_time_ms !== undefined && { execution_time_ms: view.execution_time_ms }),
  };
}

/** Why a part gave no answer; undefined also for one that was not needed any more. */
export function problemOf({ view, error, stopped }: Asked, won: boolean): ErrorBody | undefined {
  if (view === undefined) return error ?? body(new CcliError('internal'));
  if (view.status === 'completed') return undefined;
  if (view.status === 'failed')
    return view.error ?? body(new CcliError('internal', 'The task failed without saying why.'));
  if (won) return undefined;
  if (stopped === 'budget') return body(new CcliError('deadline_passed', OVER_BUDGET));
  if (view.status === 'cancelled') return body(new CcliError('cancelled', 'Somebody cancelled the task.'));
  return error ?? body(new CcliError('wait_timeout'));
}

const OVER_BUDGET = 'It had not answered when its share of the budget was over, and was cancelled.';

const body = (error: CcliError): ErrorBody => toErrorBody(error);

const label = ({ choice }: PlannedPart): string => `${choice.agent_id} (${choice.specialty})`;

const SHOWN_CHARS = 300;

const failure = ({ code, message }: ErrorBody): string =>
  `gave no answer (${code}): ${message.slice(0, SHOWN_CHARS)}`;

const unreadable = ({ asked, error }: AnswerPart): string[] =>
  error === undefined
    ? []
    : [
        `The answer of ${label(asked.part)} is there and could not be read (${error.code}); ask for task ${asked.part.task_id} to get it.`,
      ];

const unconfirmed = ({ part, view, stopped }: Asked): string[] => {
  if (view === undefined || stopped === undefined) return [];
  const waits = !isTerminal(view.status) || (view.status === 'cancelled' && view.stop_confirmed === false);
  return waits ? [`${label(part)} was told to stop; its node has not confirmed that it did.`] : [];
};

function allFailed(errors: readonly ErrorBody[], answers: readonly AnswerPart[]): ErrorBody {
  const codes = answers.map(
    ({ asked }, index) => `${asked.part.choice.agent_id}: ${errors[index]?.code ?? 'unknown'}`,
  );
  const says = `${answers.length === 1 ? 'The only agent asked has' : `All ${answers.length} agents asked have`} given no answer (${codes.join(', ')}).`;
  const cancelled = errors.length > 0 && errors.every(({ code }) => code === 'cancelled');
  return body(new CcliError(cancelled ? 'cancelled' : 'all_parts_failed', says));
}

interface Answer {
  readonly part: PlannedPart;
  readonly text: ReadAnswer['text'];
}

interface Result {
  readonly answer?: Answer;
  readonly reason?: string;
  readonly notes: readonly string[];
  readonly partial: boolean;
}

function answerFields({ part, text }: Answer): Partial<CoordinateReply> {
  return {
    ...(text !== undefined && { answer: text.text }),
    ...(text?.cut === true && { answer_cut: true }),
    answered_by: part.choice.agent_id,
    answer_task_id: part.task_id,
  };
}

const answerOf = ({ asked, text }: AnswerPart): Answer => ({ part: asked.part, text });

function resultOf({ strategy, winner, judgement, answers }: Ended, completed: readonly AnswerPart[]): Result {
  const [first] = completed;
  if (strategy === 'all' || first === undefined) return { notes: [], partial: false };
  if (strategy === 'first') {
    const won = completed.find(({ asked }) => asked.part.task_id === winner) ?? first;
    return { answer: answerOf(won), notes: [], partial: false };
  }
  if (judgement === undefined) {
    const only = completed.find(({ text }) => text !== undefined) ?? first;
    const did = answers.length === 1 ? 'was asked' : 'gave an answer that could be read';
    const note = `Only ${label(only.asked.part)} ${did}: there was nothing to ${strategy === 'best' ? 'compare' : 'combine'}.`;
    return { answer: answerOf(only), notes: [note], partial: false };
  }
  const failed = judgeProblem(judgement);
  return strategy === 'best' ? bestOf(judgement, failed, completed, first) : combined(judgement, failed);
}

/** Why the judge gave nothing, as a sentence. */
function judgeProblem({ asked, answer, notes }: Judgement): string | undefined {
  if (asked === undefined) return notes.join(' ');
  const error = problemOf(asked, false) ?? answer?.error;
  return error === undefined ? undefined : `The judge ${asked.part.choice.agent_id} ${failure(error)}`;
}

function bestOf(
  { asked, answer, notes }: Judgement,
  failed: string | undefined,
  completed: readonly AnswerPart[],
  first: AnswerPart,
): Result {
  const verdict =
    failed === undefined
      ? readVerdict(
          answer?.text?.text ?? '',
          completed.map(({ number }) => number),
        )
      : undefined;
  const picked = completed.find(({ number }) => number === verdict?.number);
  if (picked !== undefined) {
    return {
      answer: answerOf(picked),
      ...(verdict?.reason !== undefined && { reason: verdict.reason }),
      notes,
      partial: false,
    };
  }
  const why = failed ?? `The judge ${asked?.part.choice.agent_id ?? ''} named no answer.`;
  const instead = `Nobody compared the answers: this is the one of ${label(first.asked.part)}, the first in the plan that answered.`;
  const seen = asked === undefined ? [] : notes;
  return { answer: answerOf(first), notes: [...seen, why, instead], partial: true };
}

function combined({ asked, answer, notes }: Judgement, failed: string | undefined): Result {
  const text = answer?.text;
  if (failed === undefined && asked !== undefined && text !== undefined)
    return { answer: { part: asked.part, text }, notes, partial: false };
  const why = failed ?? 'The judge gave no answer.';
  const seen = asked === undefined ? [] : notes;
  return {
    notes: [...seen, why, 'Nobody combined the answers: all of them are given as they are.'],
    partial: true,
  };
}
