/** What every tool and resource of the MCP server is given. */
import type { Log } from '../../protocol/daemon/log.ts';
import type { CallContext } from '../caller.ts';
import type { Operations } from '../operations.ts';
import type { Streams } from '../stream/streams.ts';

/** As much of the streams as is followed here. */
export type McpStreams = Pick<Streams, 'task' | 'fleet'>;

export interface McpDoor {
  readonly operations: Operations;
  readonly streams: McpStreams;
  /** Whose tasks these are. */
  readonly caller: string;
  /** How long a tool waits for a task when its call does not say. */
  readonly wait_ms: number;
  /** Aborts when the server is about to stop: whoever waits answers with how it stands, and the task goes on. */
  readonly stopping: AbortSignal;
  /** Told of every call, so that stopping can wait for those that still have a task to cancel. */
  readonly onCall: (call: Promise<unknown>) => void;
  readonly log: Log;
}

export const contextFor = (door: McpDoor, signal: AbortSignal): CallContext => ({
  caller: door.caller,
  signal,
});

/** Shorter than the minute after which most clients give a call up. */
export const DEFAULT_WAIT_MS = 50_000;
export const MAX_WAIT_S = 3_600;
