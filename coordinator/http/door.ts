/** What every part of the HTTP door is given. */
import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Log } from '../../protocol/daemon/log.ts';
import type { CcliError } from '../../protocol/errors.ts';
import type { CallContext } from '../caller.ts';
import type { LinesCounts } from '../open-lines.ts';
import type { Operations } from '../operations.ts';
import type { Streams } from '../stream/streams.ts';
import type { AnswerBudget } from './answer-budget.ts';
import type { HttpSettings } from './settings.ts';
import type { StreamGate } from './stream-gate.ts';

export interface Door {
  readonly operations: Operations;
  readonly streams: Streams;
  readonly settings: HttpSettings;
  /** Every event stream passes through it, and leaves it when it is over. */
  readonly streamGate: StreamGate;
  /** Every answer that is fetched as a whole takes its share. */
  readonly answers: AnswerBudget;
  /** Whether this coordinator can serve: why not, in a sentence, otherwise. */
  readonly unready: () => string | undefined;
  /** What reaches nodes over SSH, for metrics; absent where there is none. */
  readonly lines?: () => LinesCounts;
  /** Aborts when the door closes. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** The body of a request. */
export interface HeldBody {
  /** Nobody needs it any more; safe to call twice. */
  drop(): void;
}

export interface DoorEnv {
  /** Absent when the app is called without a server. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** Whose tasks these are: the name of the API key, or `local`. */
    caller: string;
    /** Who is counted and limited: the name of the API key, or the address where there are no keys. */
    client: string;
    request_id: string;
    /** Aborts when the client hangs up, when its key is revoked, and when the door closes and has waited for long enough. */
    signal: AbortSignal;
    /** Ends this request with an error; absent when the app is called without a server. */
    give_up?: (error: CcliError) => void;
    /** While somebody may still read it. Absent when the request has none; see `bodyDone`. */
    body?: HeldBody;
  };
}
export type DoorApp = OpenAPIHono<DoorEnv>;

/** Who asks, and until when they wait: until they hang up, or the door closes. */
export const contextOf = (c: Context<DoorEnv>): CallContext => ({
  caller: c.get('caller'),
  signal: c.get('signal'),
});
