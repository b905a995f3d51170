/** One tool: from a call with checked arguments to its result, whichever transport it came by. */
import type { CallToolResult, McpServer, ToolAnnotations } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { checkedArguments, shownArguments } from './arguments.ts';
import type { McpDoor } from './door.ts';
import { failure } from './failure.ts';
import { createProgress, type Progress } from './progress.ts';

export interface Call {
  /** The client has cancelled the call, or has gone. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export interface Answer<O extends z.ZodObject> {
  readonly structured: z.output<O>;
  /** The same for a reader, a block each. */
  readonly text: readonly string[];
}

export interface Tool<I extends z.ZodObject, O extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  /** For a model that has to choose among tools. */
  readonly description: string;
  readonly input: I;
  readonly output: O;
  readonly annotations: ToolAnnotations;
  /** @throws CcliError which becomes a result with `isError` */
  readonly run: (door: McpDoor, given: z.output<I>, call: Call) => Promise<Answer<O>>;
}

/** Looks, and changes nothing. */
export const READS: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

/** Has an agent work: within its tool policy that may change files on its host, and twice is not once. */
export const WORKS: ToolAnnotations = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: true,
};

export function addTool<I extends z.ZodObject, O extends z.ZodObject>(
  server: McpServer,
  door: McpDoor,
  tool: Tool<I, O>,
): void {
  const { name, title, description, annotations } = tool;
  const config = {
    title,
    description,
    annotations: { title, ...annotations },
    inputSchema: shownArguments(tool.input),
    outputSchema: tool.output,
  };
  server.registerTool(name, config, (given, context) => {
    const call = { signal: context.mcpReq.signal, progress: createProgress(context, door.log) };
    const answered = answer(door, tool, given, call);
    door.onCall(answered);
    return answered;
  });
}

async function answer<I extends z.ZodObject, O extends z.ZodObject>(
  door: McpDoor,
  tool: Tool<I, O>,
  given: unknown,
  call: Call,
): Promise<CallToolResult> {
  try {
    const { structured, text } = await tool.run(door, checkedArguments(tool.input, given), call);
    return {
      content: text.map(block => ({ type: 'text' as const, text: block })),
      structuredContent: structured,
    };
  } catch (error) {
    // Whatever it broke off with, a call that was cancelled has failed by that, and nobody reads how.
    const cancelled = call.signal.aborted && !(error instanceof CcliError);
    return failure(cancelled ? new CcliError('cancelled', undefined, { cause: error }) : error, door.log);
  } finally {
    call.progress.close();
  }
}
