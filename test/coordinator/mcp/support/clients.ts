/** The SDK's own clients: of both lines, in both revisions, over both transports; one shape for all of them. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { built } from '../../../support/built.ts';
import { plainEnvironment } from '../../../support/plain-environment.ts';

/** `modern`: the v2 client in the 2026 revision. `legacy`: the same in a 2025 one. `v1`: the client of the v1 line. */
export const KINDS = ['modern', 'legacy', 'v1'] as const;
export type Kind = (typeof KINDS)[number];

/** Where the server is: a command to start, or an address. */
export type Place =
  | { readonly nats: string }
  | { readonly state: string }
  | { readonly url: string; readonly key?: string };

const ResultSchema = z.object({
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().optional(),
  _meta: z.record(z.string(), z.unknown()).optional(),
});
export type ToolResult = z.infer<typeof ResultSchema>;

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { progress: number; message?: string | undefined }) => void;
  readonly timeout?: number;
}

export interface McpClient {
  readonly call: (name: string, args?: Record<string, unknown>, options?: CallOptions) => Promise<ToolResult>;
  /** Text of all blocks. */
  readonly text: (name: string, args?: Record<string, unknown>, options?: CallOptions) => Promise<string>;
  readonly tools: () => Promise<
    {
      name: string;
      description?: string | undefined;
      inputSchema: unknown;
      outputSchema?: unknown;
      annotations?: unknown;
    }[]
  >;
  readonly resources: () => Promise<string[]>;
  readonly templates: () => Promise<string[]>;
  readonly read: (uri: string) => Promise<string>;
  readonly complete: (template: string, begun: string) => Promise<string[]>;
  /** Interested in a resource, in the way of the revision. @returns what ends it */
  readonly watch: (uri: string, onUpdated: (uri: string) => void) => Promise<() => Promise<void>>;
  readonly instructions: () => string | undefined;
  readonly close: () => Promise<void>;
  /** Of a server that was started as a process. */
  readonly pid: () => number | null;
}

const command = (place: Exclude<Place, { url: string }>) => ({
  command: process.execPath,
  args: [
    built('coordinator/cli/main.ts'),
    'mcp',
    ...('nats' in place ? ['--nats', place.nats] : ['--state', place.state]),
  ],
  env: plainEnvironment(),
  stderr: 'inherit' as const,
});

const headers = (key: string | undefined) =>
  key === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${key}` } } };

export async function connectClient(kind: Kind, place: Place): Promise<McpClient> {
  const client = kind === 'v1' ? await oldClient(place) : await newClient(kind, place);
  onTestFinished(() => client.close());
  return client;
}

const textOf = (result: ToolResult): string => result.content.map(({ text = '' }) => text).join('\n');

/** What both lines have under the same names. */
interface Shared {
  listTools(): Promise<{ tools: Awaited<ReturnType<McpClient['tools']>> }>;
  listResources(): Promise<{ resources: { uri: string }[] }>;
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>;
  readResource(params: { uri: string }): Promise<{ contents: object[] }>;
  complete(params: {
    ref: { type: 'ref/resource'; uri: string };
    argument: { name: string; value: string };
  }): Promise<{ completion: { values: string[] } }>;
  getInstructions(): string | undefined;
}

function sharedParts(
  client: Shared,
  callTool: (name: string, args: Record<string, unknown>, options: CallOptions) => Promise<unknown>,
): Omit<McpClient, 'watch' | 'close' | 'pid'> {
  const call: McpClient['call'] = async (name, args = {}, options = {}) =>
    ResultSchema.parse(await callTool(name, args, options));
  return {
    call,
    text: async (...given) => textOf(await call(...given)),
    tools: async () => (await client.listTools()).tools,
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: async uri => textOfContents((await client.readResource({ uri })).contents),
    complete: async (uri, value) =>
      (await client.complete({ ref: { type: 'ref/resource', uri }, argument: { name: 'task_id', value } }))
        .completion.values,
    instructions: () => client.getInstructions(),
  };
}

async function newClient(kind: 'modern' | 'legacy', place: Place): Promise<McpClient> {
  const client = new Client(
    { name: 'ccli-test', version: '1.0.0' },
    { versionNegotiation: { mode: kind === 'modern' ? { pin: '2026-07-28' } : 'legacy' } },
  );
  const stdio = 'url' in place ? undefined : new StdioClientTransport(command(place));
  const http =
    'url' in place ? new StreamableHTTPClientTransport(new URL(place.url), headers(place.key)) : undefined;
  const transport = stdio ?? http;
  if (transport === undefined) throw new Error('there is no place');
  await client.connect(transport);
  const listeners = new Map<string, (uri: string) => void>();
  client.setNotificationHandler('notifications/resources/updated', ({ params: { uri } }) => {
    listeners.get(uri)?.(uri);
  });
  return {
    ...sharedParts(client, (name, args, options) => client.callTool({ name, arguments: args }, options)),
    async watch(uri, onUpdated) {
      listeners.set(uri, onUpdated);
      if (kind === 'modern') {
        const subscription = await client.listen({ resourceSubscriptions: [uri] });
        return () => subscription.close();
      }
      await client.subscribeResource({ uri });
      return async () => {
        await client.unsubscribeResource({ uri });
      };
    },
    async close() {
      // A client of the 2025 revisions says that it is done with its session.
      if (http !== undefined && kind === 'legacy') await http.terminateSession().catch(() => undefined);
      await client.close();
    },
    pid: () => stdio?.pid ?? null,
  };
}

async function oldClient(place: Place): Promise<McpClient> {
  const client = new OldClient({ name: 'ccli-test', version: '1.0.0' });
  const stdio = 'url' in place ? undefined : new OldStdioTransport(command(place));
  const http = 'url' in place ? new OldHttpTransport(new URL(place.url), headers(place.key)) : undefined;
  const transport = stdio ?? http;
  if (transport === undefined) throw new Error('there is no place');
  // The types of that line are not written for exactOptionalPropertyTypes.
  await client.connect(transport);
  const listeners = new Map<string, (uri: string) => void>();
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params: { uri } }) => {
    listeners.get(uri)?.(uri);
  });
  return {
    ...sharedParts(client, (name, args, options) =>
      client.callTool({ name, arguments: args }, CallToolResultSchema, options),
    ),
    async watch(uri, onUpdated) {
      listeners.set(uri, onUpdated);
      await client.subscribeResource({ uri });
      return async () => {
        await client.unsubscribeResource({ uri });
      };
    },
    async close() {
      if (http !== undefined) await http.terminateSession().catch(() => undefined);
      await client.close();
    },
    pid: () => stdio?.pid ?? null,
  };
}

const textOfContents = (contents: readonly object[]): string =>
  contents.map(one => ('text' in one && typeof one.text === 'string' ? one.text : '')).join('');
