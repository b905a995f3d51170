/** `ccli up PROMPT` where another `ccli up` may be starting, running or stopping in the same state directory. */

import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { Fleet } from '../embedded/fleet.ts';
import { poll } from '../embedded/poll.ts';
import { readRuntimeFile } from '../embedded/runtime-file.ts';
import { CALLER } from './cli.ts';
import { openClient } from './client.ts';
import { type FleetAddress, withCredentials } from './discovery.ts';
import type { Progress } from './progress.ts';

interface JoinOptions {
  readonly start: () => Promise<Fleet>;
  readonly state_dir: string;
  readonly environment: Environment;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const PATIENCE = { timeout_ms: 60_000, pause_ms: 200, max_pause_ms: 1_000 };

/**
 * A fleet of our own; or the address of the one that is up there, once it answers.
 *
 * @throws CcliError `state_in_use` when the holder of the directory neither gets up nor goes within a minute
 */
export async function startOrJoin(options: JoinOptions): Promise<Fleet | FleetAddress> {
  const { start, state_dir, environment, progress, signal } = options;
  let inUse: CcliError | undefined;
  const look = async (): Promise<Fleet | FleetAddress | undefined> => {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof CcliError && error.code === 'state_in_use')) throw error;
      inUse = error;
    }
    const runtime = await readRuntimeFile(state_dir);
    if (runtime !== undefined) {
      const address = { nats: { url: runtime.nats_url }, prefix: runtime.prefix };
      if (await answers(withCredentials(address, environment), signal)) return address;
    }
    progress.stage('waiting for the fleet that is starting or stopping there');
    return undefined;
  };
  const found = await poll(look, { ...PATIENCE, signal });
  if (found === undefined) throw inUse ?? new CcliError('state_in_use');
  return found;
}

const NOT_YET: ReadonlySet<ErrorCode> = new Set(['nats_unreachable', 'no_coordinator', 'store_unavailable']);

async function answers(address: FleetAddress, signal: AbortSignal): Promise<boolean> {
  try {
    const client = await openClient(address);
    try {
      await client.operations.nodes({}, { caller: CALLER, signal });
      return true;
    } finally {
      await client.close();
    }
  } catch (error) {
    if (error instanceof CcliError && NOT_YET.has(error.code)) return false;
    throw error;
  }
}
