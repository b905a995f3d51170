/** The answer to a request of either API: whole, or piece by piece. */
import type { CallContext } from '../../caller.ts';
import { answerInJson } from '../../structured/answer-in-json.ts';
import { newTaskId } from '../../task-id.ts';
import type { Answer, Piece } from './answer-piece.ts';
import { promptOf } from './ask.ts';
import type { Exchange } from './exchange.ts';
import { runTask } from './run-task.ts';
import { createStopCutter } from './stop.ts';
import { taskPieces } from './task-pieces.ts';

/** @throws CcliError what its task was refused for or failed with */
export async function wholeAnswer(exchange: Exchange, context: CallContext): Promise<Answer> {
  try {
    return await answerOf(exchange, context);
  } catch (error) {
    throw exchange.failure(error);
  }
}

async function answerOf(exchange: Exchange, context: CallContext): Promise<Answer> {
  const { door, ask, json, options, task_id } = exchange;
  const run = async (request: Parameters<typeof runTask>[1]['request']) => {
    const ran = await runTask(door, { request, onAccepted: exchange.accepted }, context);
    exchange.answeredBy(ran.agent_id);
    const cutter = createStopCutter(ask.stop);
    const text = cutter.push(ran.text) + cutter.rest();
    return { ...ran, text, cut: cutter.cut };
  };
  const ran =
    json === undefined
      ? await run({ ...options, ...promptOf(ask.said), task_id })
      : await answerInJson(ask.said, json, (conversation, round) =>
          run({
            ...options,
            ...(round === 'repair' ? { task_id: newTaskId(), group: task_id } : { task_id }),
            prompt: JSON.stringify(conversation),
            conversation: true,
          }),
        );
  const { text, completeness, usage } = ran;
  const finish = completeness === 'partial' && !ran.cut ? 'length' : 'stop';
  return { text, finish, ...(usage !== undefined && { usage }) };
}

/** JSON comes in one piece: it is checked before anybody sees it. */
export function piecesOf(exchange: Exchange, context: CallContext): AsyncIterable<Piece> {
  return exchange.json === undefined ? taskPieces(exchange, context) : inOnePiece(exchange, context);
}

async function* inOnePiece(exchange: Exchange, context: CallContext): AsyncGenerator<Piece> {
  const { text, ...ending } = await wholeAnswer(exchange, context);
  yield { kind: 'text', text };
  yield { kind: 'end', ...ending };
}
