/**
 * One question to several agents: chosen, asked in parallel, and put together.
 *
 * Every part is a durable task of its own whose name is derived from the coordination. Nothing else is stored: whoever
 * asks again under the same `coordination_id`, after a lost reply or a coordinator that died, takes up the parts that
 * are there and asks only what is missing. The budget of the waiting begins anew then; that of each part does not.
 *
 * A caller that goes away stops the waiting and no task. Cancelling is said explicitly, part by part; what is cancelled
 * here is what `first` needs no more and what has not ended within the budget.
 */

import { randomBytes } from 'node:crypto';
import type { CoordinateReply, CoordinateRequest, Strategy } from '../../protocol/coordination.ts';
import { limitedSignal } from '../../protocol/daemon/limited-signal.ts';
import { CcliError } from '../../protocol/errors.ts';
import { DEFAULT_BUDGET_MS } from '../../protocol/limits.ts';
import type { OperationReply } from '../../protocol/operation.ts';
import type { CallContext } from '../caller.ts';
import { type Asked, awaitEnd, stopPart, submitPart } from './ask.ts';
import { askedWord, refuseOtherRequest } from './asked.ts';
import { fitReply } from './fit-reply.ts';
import { findParts } from './found.ts';
import { type Candidate, type Judgement, judgeAnswers } from './judge.ts';
import { type AnswerPart, outcomeOf, plannedPart, problemOf } from './outcome.ts';
import { partId } from './part-id.ts';
import { type Plan, planJudge, planParts } from './plan.ts';
import { answerPrompt } from './prompts.ts';
import { readAnswer } from './read-answer.ts';
import type { CoordinateParts, Tools } from './tools.ts';

type Coordinate = (request: CoordinateRequest, context: CallContext) => Promise<OperationReply<'coordinate'>>;

/** Of the budget, what is kept for the judge when there is one; it also gets what the answers leave. */
const JUDGE_SHARE = 0.25;

/** @param clock milliseconds on a monotonic clock */
export function createCoordinate(
  operations: CoordinateParts,
  clock: () => number = () => performance.now(),
): Coordinate {
  return async (request, context) => {
    const began = clock();
    checkPrompt(request.prompt);
    const { strategy = 'all', budget_ms = DEFAULT_BUDGET_MS } = request;
    const answers_ms = Math.max(
      1,
      Math.floor(isJudged(strategy) ? budget_ms * (1 - JUDGE_SHARE) : budget_ms),
    );
    const tools: Tools = {
      operations,
      context,
      coordination_id: request.coordination_id ?? newId(),
      asked: askedWord(request, strategy),
      answersLeft: () => began + answers_ms - clock(),
      left: () => began + budget_ms - clock(),
    };
    const found = await findParts(tools);
    refuseOtherRequest(tools.coordination_id, tools.asked, found);
    const { agents } = await operations.agents({}, context);
    const plan = planParts({ coordination_id: tools.coordination_id, request, strategy, agents, found });
    const took_ms = (): number => Math.max(0, Math.round(clock() - began));
    if (request.plan_only === true)
      return fitReply(planned(tools, { request, strategy, plan, agents, took_ms: took_ms() }));
    const run: Run = { tools, request, strategy, plan, answers_ms };
    const { answers, winner } = await askAll(run);
    refuseWhenNothingWasTaken(answers);
    const judgement = await judge(run, answers);
    if (context.signal.aborted) throw leaving(tools.coordination_id);
    const { notes, incomplete } = plan;
    const { coordination_id } = tools;
    return fitReply(
      outcomeOf({
        coordination_id,
        strategy,
        answers,
        winner,
        judgement,
        notes,
        incomplete,
        took_ms: took_ms(),
      }),
    );
  };
}

interface Run {
  readonly tools: Tools;
  readonly request: CoordinateRequest;
  readonly strategy: Strategy;
  readonly plan: Plan;
  readonly answers_ms: number;
}

const isJudged = (strategy: Strategy): strategy is 'best' | 'synthesize' =>
  strategy === 'best' || strategy === 'synthesize';

async function askAll({ tools, request, strategy, plan, answers_ms }: Run): Promise<{
  answers: readonly AnswerPart[];
  winner: string | undefined;
}> {
  const { context, answersLeft } = tools;
  const enough = new AbortController();
  const timeout_ms = request.budget_ms === undefined ? undefined : answers_ms;
  let winner: string | undefined;
  const waited = await settled(
    tools,
    plan.parts.map(async part => {
      const signal = AbortSignal.any([context.signal, enough.signal]);
      const prompt = answerPrompt(part.choice.specialty, request.prompt);
      const until = limitedSignal([signal], Math.max(1, Math.ceil(answersLeft())));
      const asked = await submitPart(
        tools,
        { part, prompt, deadline_ms: answers_ms, timeout_ms },
        until.signal,
      ).finally(until.clear);
      const ended = await awaitEnd(tools, asked, answersLeft, signal);
      if (strategy === 'first' && ended.view?.status === 'completed' && winner === undefined) {
        winner = part.task_id;
        enough.abort();
      }
      return ended;
    }),
  );
  const why = winner === undefined ? 'budget' : 'enough';
  // Whoever went away wants no task stopped.
  const stopped = context.signal.aborted
    ? waited
    : await Promise.all(waited.map(asked => stopPart(tools, asked, why)));
  const answers = await Promise.all(
    stopped.map(async (asked, index) => ({
      number: index + 1,
      asked,
      ...(await readAnswer(tools, asked.view)),
    })),
  );
  return { answers, winner };
}

/** All of them, and only then the first failure: none is left running unobserved. */
async function settled(tools: Tools, parts: readonly Promise<Asked>[]): Promise<readonly Asked[]> {
  await Promise.allSettled(parts);
  try {
    return await Promise.all(parts);
  } catch (error) {
    if (!(error instanceof CcliError) || error.code !== 'idempotency_conflict') throw error;
    // Two requests at the same time see each other only now.
    refuseOtherRequest(tools.coordination_id, tools.asked, await findParts(tools));
    throw new CcliError(
      'idempotency_conflict',
      `The coordination_id ${tools.coordination_id} belongs to a request with another budget_ms, or of another caller; use a new one.`,
      { cause: error },
    );
  }
}

/** A store that took none of the parts is a failure of the request, and asking again is safe. */
function refuseWhenNothingWasTaken(answers: readonly AnswerPart[]): void {
  const [first] = answers;
  const code = first?.asked.error?.code;
  if (code !== 'store_unavailable' && code !== 'store_full') return;
  if (answers.some(({ asked }) => asked.view !== undefined || asked.error?.code !== code)) return;
  throw new CcliError(code);
}

async function judge(run: Run, answers: readonly AnswerPart[]): Promise<Judgement | undefined> {
  const { tools, request, strategy, plan } = run;
  const candidates = answers.flatMap(({ number, asked, text }): Candidate[] => {
    const { agent_id, specialty } = asked.part.choice;
    if (asked.view?.status !== 'completed' || text === undefined) return [];
    return [{ number, agent_id, specialty, text: text.text, cut: text.cut }];
  });
  if (!isJudged(strategy) || candidates.length < 2 || tools.context.signal.aborted) return undefined;
  const failed = answers.filter(({ asked }) => problemOf(asked, false) !== undefined);
  return await judgeAnswers(tools, {
    strategy,
    requirements: request.prompt,
    candidates,
    failed: new Set(failed.map(({ asked }) => asked.part.choice.agent_id)),
    found: plan.judge,
    budgeted: request.budget_ms !== undefined,
  });
}

interface Planned {
  readonly request: CoordinateRequest;
  readonly strategy: Strategy;
  readonly plan: Plan;
  readonly agents: OperationReply<'agents'>['agents'];
  readonly took_ms: number;
}

function planned(tools: Tools, { request, strategy, plan, agents, took_ms }: Planned): CoordinateReply {
  const { coordination_id } = tools;
  const parts = plan.parts.map(part => plannedPart('answer', part));
  const answered = new Set(parts.map(({ agent_id }) => agent_id));
  const judge = isJudged(strategy)
    ? planJudge({ agents, requirements: request.prompt, answers: parts.length, failed: new Set(), answered })
    : undefined;
  const judging = judge === undefined ? [] : [plannedPart('judge', judgePart(coordination_id, judge))];
  return {
    coordination_id,
    strategy,
    status: 'planned',
    parts: [...parts, ...judging],
    notes: [...plan.notes],
    took_ms,
  };
}

const judgePart = (
  coordination_id: string,
  choice: Plan['parts'][number]['choice'],
): Plan['parts'][number] => ({
  task_id: partId(coordination_id, { role: 'judge', specialty: choice.specialty }, choice.agent_id),
  choice: { ...choice, why: `${choice.why}; chosen when the answers are in` },
});

const leaving = (coordination_id: string): CcliError =>
  new CcliError(
    'no_coordinator',
    `This coordinator has stopped waiting, and the parts go on; ask again with coordination_id ${coordination_id} to take them up.`,
  );

function checkPrompt(prompt: string): void {
  if (prompt.trim() === '') throw new CcliError('prompt_empty');
  if (prompt.includes('\0')) throw new CcliError('prompt_has_nul');
}

const newId = (): string => `c${randomBytes(8).toString('hex')}`;
