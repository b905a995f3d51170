/** One task through each door, from the request to its answer; and the same through no door at all. */
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { built } from '../../support/built.ts';
import { CALLER } from '../fleet.ts';
import { ANSWER } from '../instant-model.ts';
import { AGENT, type DoorsFleet } from './fleet.ts';
import { createHttpCaller } from './http-call.ts';

export interface OpenDoor {
  readonly name: string;
  /** Resolves with the answer's arrival; rejects when it is not the answer. */
  readonly once: () => Promise<void>;
  /** What this door may add to the bare dispatcher's latency. */
  readonly allowed_ms: number;
}

interface DoorsOptions {
  readonly fleet: DoorsFleet;
  readonly in_flight: number;
  readonly lifecycle: Lifecycle;
  readonly signal: AbortSignal;
}

const PROMPT = 'What is 2+2?';
const MESSAGES = [{ role: 'user', content: PROMPT }];
const ALLOWED_MS = { http: 5, mcp: 10 };

const expectAnswer = (said: string): void => {
  if (!said.includes(ANSWER)) throw new CcliError('internal', `No answer: ${said.slice(0, 300)}`);
};

/** The operation itself, asked over NATS: everything but a door. */
export function bareDispatcher({ fleet, signal }: DoorsOptions): OpenDoor {
  const { operations } = fleet.client;
  return {
    name: 'bare dispatcher',
    allowed_ms: 0,
    async once() {
      const task = await operations.run({ prompt: PROMPT, agent_id: AGENT }, { caller: CALLER, signal });
      expectAnswer(task.response ?? '');
    },
  };
}

export async function openDoors(options: DoorsOptions): Promise<OpenDoor[]> {
  const { fleet, in_flight, lifecycle } = options;
  const http = createHttpCaller(fleet.http_url, in_flight);
  lifecycle.defer('HTTP', () => {
    http.close();
  });
  const overHttp = (name: string, path: string, body: object): OpenDoor => ({
    name,
    allowed_ms: ALLOWED_MS.http,
    once: async () => {
      expectAnswer(await http.call('POST', path, body));
    },
  });
  const chat = { model: AGENT, messages: MESSAGES };
  return [
    overHttp('HTTP, wait', '/api/tasks', { prompt: PROMPT, agent_id: AGENT, wait: true }),
    {
      name: 'HTTP, submit and SSE',
      allowed_ms: ALLOWED_MS.http,
      async once() {
        const task: unknown = JSON.parse(
          await http.call('POST', '/api/tasks', { prompt: PROMPT, agent_id: AGENT }),
        );
        expectAnswer(await http.call('GET', `/api/tasks/${taskIdOf(task)}/events`));
      },
    },
    overHttp('OpenAI chat', '/v1/chat/completions', chat),
    {
      name: 'OpenAI chat, streamed',
      allowed_ms: ALLOWED_MS.http,
      async once() {
        expectAnswer(joined(await http.call('POST', '/v1/chat/completions', { ...chat, stream: true })));
      },
    },
    overHttp('OpenAI responses', '/v1/responses', { model: AGENT, input: PROMPT }),
    await overMcp(
      'MCP over HTTP',
      () => new StreamableHTTPClientTransport(new URL(`${fleet.http_url}/mcp`)),
      options,
    ),
    await overMcp('MCP over stdio', () => stdio(fleet), options),
  ];
}

/** The text of the deltas, one after another. */
const joined = (stream: string): string =>
  Array.from(
    stream.matchAll(/"content":("(?:[^"\\]|\\.)*")/g),
    ([, text = '""']) => JSON.parse(text) as string,
  ).join('');

const stdio = (fleet: DoorsFleet): StdioClientTransport =>
  new StdioClientTransport({
    command: process.execPath,
    args: [built('coordinator/cli/main.ts'), 'mcp', '--nats', fleet.nats_url],
    stderr: 'ignore',
  });

async function overMcp(
  name: string,
  transport: () => StdioClientTransport | StreamableHTTPClientTransport,
  { lifecycle }: DoorsOptions,
): Promise<OpenDoor> {
  const client = new McpClient({ name: 'bench', version: '1.0.0' });
  await client.connect(transport());
  lifecycle.defer(name, () => client.close());
  return {
    name,
    allowed_ms: ALLOWED_MS.mcp,
    async once() {
      const result = await client.callTool({
        name: 'execute_task_on_agent',
        arguments: { agent_id: AGENT, prompt: PROMPT },
      });
      expectAnswer(JSON.stringify(result));
    },
  };
}

function taskIdOf(task: unknown): string {
  if (typeof task === 'object' && task !== null && 'task_id' in task && typeof task.task_id === 'string')
    return task.task_id;
  throw new CcliError('internal', 'The answer names no task.');
}
