/** Submits a task and tells its answer as it comes; cancels it when its client hangs up, or the door closes. */
import { fromErrorBody } from '../../../protocol/errors.ts';
import type { TaskStreamEvent } from '../../../protocol/stream.ts';
import type { CallContext } from '../../caller.ts';
import type { Ending, Piece } from './answer-piece.ts';
import { promptOf } from './ask.ts';
import type { Exchange } from './exchange.ts';
import { abandonTask, mayExist, whyLeft } from './leaving.ts';
import { errorOf } from './run-task.ts';
import { createStopCutter } from './stop.ts';
import { createTold, type Told } from './told.ts';

/** @throws CcliError what the task was refused for or failed with; `reply_truncated`, `cancelled`, `shutting_down` */
export async function* taskPieces(exchange: Exchange, context: CallContext): AsyncGenerator<Piece> {
  const { door, ask, options, task_id } = exchange;
  const told = createTold();
  const cutter = createStopCutter(ask.stop);
  let accepted = false;
  /** There is nothing to cancel: it has ended, or never was. */
  let over = false;
  try {
    await door.operations.submit({ ...options, ...promptOf(ask.said), task_id }, context);
    accepted = true;
    exchange.accepted();
    for await (const event of followed(exchange, context)) {
      over = event.event === 'result';
      if (event.event === 'state') exchange.answeredBy(event.agent_id);
      const text = cutter.push(freshText(event, told));
      if (text !== '') yield { kind: 'text', text };
      if (event.event !== 'result' && !cutter.cut) continue;
      const rest = cutter.rest();
      if (rest !== '') yield { kind: 'text', text: rest };
      yield { kind: 'end', ...endingOf(event, cutter.cut) };
      return;
    }
    throw whyLeft(door, context);
  } catch (error) {
    over ||= !accepted && !context.signal.aborted && !mayExist(error);
    throw error;
  } finally {
    if (!over) await abandonTask(door, task_id, context);
  }
}

/** A client who is slow to read is waited for: what it missed is kept, and else comes whole with the result. */
async function* followed({ door, task_id }: Exchange, context: CallContext): AsyncGenerator<TaskStreamEvent> {
  let after: string | undefined;
  for (;;) {
    let slow = false;
    const request = { task_id, ...(after !== undefined && { after }) };
    for await (const event of door.streams.task(request, context)) {
      slow = event.event === 'closed' && event.error.code === 'slow_reader';
      if (slow) break;
      if (event.event !== 'closed') after = event.position;
      yield event;
    }
    if (!slow) return;
  }
}

function freshText(event: TaskStreamEvent, told: Told): string {
  switch (event.event) {
    case 'state':
      return '';
    case 'chunk':
      return told.chunk(event.text);
    case 'restart':
      told.restart();
      return '';
    case 'gap':
      told.gap();
      return '';
    case 'result': {
      const error = errorOf(event.task);
      if (error !== undefined) throw error;
      return told.whole(event.task.response ?? '');
    }
    case 'closed':
      throw fromErrorBody(event.error);
  }
}

/** Of a task that is cut off before its end, nobody knows yet what it has cost. */
function endingOf(event: TaskStreamEvent, cut: boolean): Ending {
  if (event.event !== 'result') return { finish: 'stop' };
  const { completeness, usage } = event.task;
  return {
    finish: completeness === 'partial' && !cut ? 'length' : 'stop',
    ...(usage !== undefined && { usage }),
  };
}
