/** What can be read, and attached by a person, besides being asked for by tools: the agents, and each task whole. */
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import { contextFor, type McpDoor } from './door.ts';
import { fitsMessage, MOST_TEXT_BYTES } from './message-size.ts';
import { AGENTS_URI, RESPONSE_TEMPLATE, resourceOf, TASK_TEMPLATE } from './resource-uri.ts';
import type { WholeTask } from './task-answer.ts';
import { wholeTask } from './whole-task.ts';

const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/plain';
const MOST_SUGGESTIONS = 100;

export function addResources(server: McpServer, door: McpDoor): void {
  server.registerResource(
    'agents',
    AGENTS_URI,
    {
      title: 'Agents of the fleet',
      description: 'Every agent with its type, model, health, free slots and recent runs.',
      mimeType: JSON_TYPE,
    },
    async (uri, { mcpReq }) => {
      const reply = await reading(door, uri, () =>
        door.operations.agents({}, contextFor(door, mcpReq.signal)),
      );
      return { contents: [{ uri: uri.href, mimeType: JSON_TYPE, text: JSON.stringify(reply) }] };
    },
  );
  const complete = { task_id: (begun: string) => suggestions(door, begun) };
  server.registerResource(
    'task',
    new ResourceTemplate(TASK_TEMPLATE, { list: undefined, complete }),
    {
      title: 'A task',
      description:
        'How a task stands: its attempts, its error, and its whole response; without it where it is too long for one message.',
      mimeType: JSON_TYPE,
    },
    async (uri, _variables, { mcpReq }) => {
      const text = await readTask(door, uri, mcpReq.signal);
      return { contents: [{ uri: uri.href, mimeType: JSON_TYPE, text }] };
    },
  );
  server.registerResource(
    'response',
    new ResourceTemplate(RESPONSE_TEMPLATE, { list: undefined, complete }),
    {
      title: 'The response of a task',
      description:
        'The whole answer as text; empty while there is none. One that is too long for one message comes in pieces, by get_task.',
      mimeType: TEXT_TYPE,
    },
    async (uri, _variables, { mcpReq }) => {
      const text = await readResponse(door, uri, mcpReq.signal);
      return { contents: [{ uri: uri.href, mimeType: TEXT_TYPE, text }] };
    },
  );
}

async function readTask(door: McpDoor, uri: URL, signal: AbortSignal): Promise<string> {
  const { view, whole } = await read(door, uri, signal);
  const text = whole === undefined ? undefined : JSON.stringify(whole);
  if (text !== undefined && fitsMessage(text)) return text;
  const { response: _response, response_ref: _ref, ...rest } = view;
  return JSON.stringify({ ...rest, response_left_out: tooLong(view.task_id) });
}

async function readResponse(door: McpDoor, uri: URL, signal: AbortSignal): Promise<string> {
  const { view, whole } = await read(door, uri, signal);
  if (whole !== undefined) {
    const { response = '' } = whole;
    if (fitsMessage(response)) return response;
  }
  return await reading(door, uri, () =>
    Promise.reject(new CcliError('message_too_large', tooLong(view.task_id))),
  );
}

const tooLong = (task_id: string): string =>
  `The response is too long for one message: get_task with task_id "${task_id}" has it in pieces, by response_offset.`;

interface Read {
  readonly view: TaskView;
  /** Absent when its response alone is longer than a message may be. */
  readonly whole?: WholeTask;
}

async function read(door: McpDoor, uri: URL, signal: AbortSignal): Promise<Read> {
  const resource = resourceOf(uri.href);
  if (resource?.kind !== 'task') throw new ResourceNotFoundError(uri.href);
  const { task_id } = resource;
  return await reading(door, uri, async () => {
    const view = await door.operations.get({ task_id }, contextFor(door, signal));
    if ((view.response_ref?.size_bytes ?? 0) > MOST_TEXT_BYTES) return { view };
    return { view, whole: await wholeTask(door, view, signal) };
  });
}

/** An address without a result to put an error in: it becomes an error of the protocol. */
export async function reading<T>(door: McpDoor, uri: URL, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CcliError && error.code === 'task_unknown')
      throw new ResourceNotFoundError(uri.href, error.message);
    if (!(error instanceof CcliError))
      door.log.error('unexpected_error', { what: uri.href, ...errorFields(error) });
    const body = toErrorBody(error);
    throw new ProtocolError(ProtocolErrorCode.InternalError, `${body.code}: ${body.message}`, {
      error: body,
    });
  }
}

async function suggestions(door: McpDoor, begun: string): Promise<string[]> {
  const context = contextFor(door, new AbortController().signal);
  const { tasks } = await door.operations.list({ limit: MOST_SUGGESTIONS }, context);
  return tasks.map(({ task_id }) => task_id).filter(task_id => task_id.startsWith(begun));
}
