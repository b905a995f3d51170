/** Draining a node: asked until nothing runs there and nothing is unsent. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { OperationReply } from '../../protocol/operation.ts';
import type { Operations } from '../operations.ts';
import { CALLER } from './cli.ts';
import type { Progress } from './progress.ts';
import { isDrained, stillThere } from './render/fleet.ts';
import { duration } from './render/quantity.ts';

type DrainReply = OperationReply<'drain'>;

interface DrainOptions {
  readonly node: string;
  readonly wait: boolean;
  readonly timeout_ms: number | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const PAUSE_MS = 500;
/** How long the node, or the fleet, may be out of reach meanwhile. */
const PATIENCE_MS = 60_000;
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'no_coordinator',
  'store_unavailable',
  'nats_unreachable',
  'node_lost',
]);
/** More of them would not fit a line. */
const NAMED = 5;
const PAGE = 500;

/**
 * @throws CcliError `node_unknown`; `wait_timeout` when the time is up, `cancelled` when interrupted: the node goes on
 *   draining after both; what may pass by itself only after a minute of trying.
 */
export async function drainNode(operations: Operations, options: DrainOptions): Promise<DrainReply> {
  const { node, wait, timeout_ms, progress } = options;
  const began = performance.now();
  const sent = { answered: false };
  let silent_since: number | undefined;
  const limit = timeout_ms === undefined ? undefined : AbortSignal.timeout(timeout_ms);
  const signal = limit === undefined ? options.signal : AbortSignal.any([options.signal, limit]);
  try {
    for (;;) {
      try {
        const reply = await operations.drain({ node, drain: true }, { caller: CALLER, signal });
        sent.answered = true;
        silent_since = undefined;
        if (!wait || isDrained(reply)) return reply;
        progress.stage(await describe(operations, reply, signal));
      } catch (error) {
        // Before the first answer there is nothing to come back to.
        if (!sent.answered || signal.aborted || !mayPass(error)) throw error;
        silent_since ??= performance.now();
        if (performance.now() - silent_since > PATIENCE_MS) throw error;
        progress.stage(`${error.message} Trying again; ${node} goes on draining.`);
      }
      await delay(PAUSE_MS, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    const goesOn = sent.answered
      ? `${node} takes nothing new and goes on draining`
      : `${node} may be draining`;
    const ways = `look again with \`ccli node drain ${node}\`, or end it with \`ccli node resume ${node}\`.`;
    if (options.signal.aborted) throw new CcliError('cancelled', `Stopped waiting; ${goesOn}: ${ways}`);
    const waited = duration(performance.now() - began);
    throw new CcliError('wait_timeout', `Not drained after ${waited}; ${goesOn}: ${ways}`);
  }
}

const mayPass = (error: unknown): error is CcliError => error instanceof CcliError && PASSING.has(error.code);

async function describe(operations: Operations, reply: DrainReply, signal: AbortSignal): Promise<string> {
  const { node, running } = reply;
  const ids = running === 0 ? [] : await runningOn(operations, node, signal);
  const more = ids.length > NAMED ? ', …' : '';
  const named = ids.length === 0 ? '' : ` (${ids.slice(0, NAMED).join(', ')}${more})`;
  return `draining ${node}: ${stillThere(reply, named)}`;
}

/** The tasks themselves are told where they can be; the count is what is waited for. */
async function runningOn(operations: Operations, node: string, signal: AbortSignal): Promise<string[]> {
  const { tasks } = await operations.list({ status: 'running', limit: PAGE }, { caller: CALLER, signal });
  return tasks.filter(task => task.node === node).map(task => task.task_id);
}
