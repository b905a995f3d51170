/** Runs one coordination to its end: plan, progress, answers. */

import type { CoordinateReply } from '../../../protocol/coordination.ts';
import { CcliError, ERRORS, toErrorBody } from '../../../protocol/errors.ts';
import { DEFAULT_BUDGET_MS } from '../../../protocol/limits.ts';
import { CALLER, type Cli } from '../cli.ts';
import type { Client } from '../client.ts';
import type { Interrupts } from '../interrupts.ts';
import type { Progress } from '../progress.ts';
import { planTable } from '../render/coordination.ts';
import { writeError } from '../render/error.ts';
import { duration } from '../render/quantity.ts';
import { askUntilAnswered, type NamedRequest } from './ask.ts';
import { cancelWhenInterrupted } from './cancel.ts';
import { createPartStages } from './part-stages.ts';
import { showReply } from './show.ts';
import { watchParts } from './watch.ts';

interface CoordinationRun {
  readonly request: NamedRequest;
  readonly json: boolean;
  readonly progress: Progress;
  readonly interrupts: Interrupts;
}

export async function showPlan(
  cli: Cli,
  { operations }: Client,
  { request, json }: Pick<CoordinationRun, 'request' | 'json'>,
): Promise<number> {
  const { signal } = new AbortController();
  const plan = await operations.coordinate({ ...request, plan_only: true }, { caller: CALLER, signal });
  if (json) {
    cli.json(plan);
    return 0;
  }
  cli.stdout.write(planTable(plan.parts, cli.stdout.colors));
  for (const note of plan.notes) cli.stderr.line(cli.stderr.colors.yellow(note));
  return 0;
}

/** @returns the exit code, everything told. @throws CcliError when the fleet cannot be asked. */
export async function runCoordination(cli: Cli, client: Client, run: CoordinationRun): Promise<number> {
  const { request, json, progress, interrupts } = run;
  const { operations } = client;
  const { coordination_id, budget_ms = DEFAULT_BUDGET_MS } = request;
  const startedAt = performance.now();
  const plan = await planned(client, run);
  progress.note(`coordination ${coordination_id}, within ${duration(budget_ms)}`);
  for (const line of planTable(plan.parts, cli.stderr.colors).trimEnd().split('\n')) progress.note(line);
  const ended = new AbortController();
  const stalled = new EventTarget();
  const stages = createPartStages(progress, plan);
  const helpers = [
    watchParts({ operations, coordination_id, stages, progress, ended: ended.signal, stalled }),
    cancelWhenInterrupted({ operations, coordination_id, progress, interrupts, ended: ended.signal }),
  ] as const;
  const finish = async (): Promise<void> => {
    ended.abort();
    await Promise.all(helpers.map(({ done }) => done));
    progress.pause();
  };
  try {
    const reply = await askUntilAnswered({
      operations,
      request,
      progress,
      stalled,
      signal: AbortSignal.any([interrupts.second, helpers[1].givenUp]),
    });
    ended.abort();
    stages.onReply(reply);
    await finish();
    const context = { caller: CALLER, signal: interrupts.second };
    const code = await showReply(reply, { cli, operations, context, json, progress });
    await cli.stdout.flush();
    if (code === 0 && !cli.stdout.gone.aborted)
      progress.note(`done in ${duration(performance.now() - startedAt)}`);
    if (!interrupts.first.aborted || reply.status !== 'partial') return code;
    writeError(cli.stderr, toErrorBody(INTERRUPTED));
    return ERRORS.cancelled.exit;
  } catch (error) {
    if (interrupts.second.aborted) {
      throw new CcliError(
        'cancelled',
        `Left at once; the tasks of the coordination ${coordination_id} may go on, see \`ccli task list\`.`,
      );
    }
    throw error;
  } finally {
    await finish();
    cli.stdout.freshLine();
  }
}

const INTERRUPTED = new CcliError('cancelled', 'Interrupted; what had been answered by then is shown.');

async function planned(
  { operations }: Client,
  { request, interrupts }: CoordinationRun,
): Promise<CoordinateReply> {
  try {
    const context = { caller: CALLER, signal: interrupts.first };
    return await operations.coordinate({ ...request, plan_only: true }, context);
  } catch (error) {
    if (interrupts.first.aborted) throw new CcliError('cancelled', 'Interrupted; nothing was submitted.');
    throw error;
  }
}
