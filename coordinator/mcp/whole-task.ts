import type { TaskView } from '../../protocol/operation.ts';
import { wholeResponse } from '../stream/transfer.ts';
import { contextFor, type McpDoor } from './door.ts';
import type { WholeTask } from './task-answer.ts';

/** The task with its response, however long that is. @throws CcliError what reading it comes to */
export async function wholeTask(door: McpDoor, view: TaskView, signal: AbortSignal): Promise<WholeTask> {
  const { response_ref, ...rest } = view;
  if (response_ref === undefined) return rest;
  const response = await wholeResponse(door.operations, view, contextFor(door, signal));
  return { ...rest, ...(response !== undefined && { response }) };
}
