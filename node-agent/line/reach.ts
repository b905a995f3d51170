/** A socket to whoever works in a state directory; when nobody does, to a stand-in that is started for it. */
import { stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError } from '../../protocol/errors.ts';
import { makeStateDirectory, stateHolder, stateSilent } from '../state-directory.ts';
import { dial } from './socket.ts';
import { type StandInCommand, spawnStandIn } from './start-stand-in.ts';

interface ReachOptions {
  readonly state_dir: string;
  readonly standIn: StandInCommand;
  readonly patience_ms?: number;
}

/** How long whoever works there may take to open its socket: it may have much to sweep up when it starts. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 50;
/** Several may be started at once, and one of them wins; one that won may have ended since. */
const MOST_STARTS = 3;

/**
 * What has been read of the socket already is its hello: until that has come, it may be one that is just closing.
 *
 * @throws CcliError `state_in_use` when what works there opens no socket, `permission_denied`, `config_invalid`,
 *   `start_failed`; whatever the stand-in could not start for
 */
export async function reach(options: ReachOptions): Promise<{ socket: Socket; first: Buffer }> {
  const { state_dir, patience_ms = PATIENCE_MS } = options;
  await makeStateDirectory(state_dir);
  const end = performance.now() + patience_ms;
  const starts = { count: 0, under_way: false, failure: noFailure() };

  const start = async (): Promise<void> => {
    await refuseForeign(state_dir);
    starts.count += 1;
    starts.under_way = true;
    const standIn = await spawnStandIn(state_dir, options.standIn);
    void standIn.ended.then(why => {
      starts.under_way = false;
      starts.failure = why;
    });
  };

  for (;;) {
    const socket = await dial(state_dir);
    const first = socket === undefined ? undefined : await firstWords(socket, end - performance.now());
    if (socket !== undefined && first !== undefined) return { socket, first };
    const holder = await stateHolder(state_dir);
    const { failure } = starts;
    if (holder === undefined && !starts.under_way) {
      // One that lost the race to another, which has ended since, is no reason to give up.
      const hopeless = failure !== undefined && failure.code !== 'state_in_use';
      if (hopeless || starts.count >= MOST_STARTS) throw failure ?? new CcliError('start_failed');
      await start();
    }
    if (performance.now() > end) {
      if (holder !== undefined) throw stateSilent(state_dir, holder.pid, 'state_in_use');
      throw failure ?? new CcliError('start_failed', 'The node-agent did not answer in time.');
    }
    await delay(PAUSE_MS);
  }
}

/** What a stand-in of ours wrote there, root's above all, its own daemon could not read. @throws CcliError */
async function refuseForeign(directory: string): Promise<void> {
  const { uid } = await stat(directory);
  if (process.geteuid === undefined || uid === process.geteuid()) return;
  throw new CcliError(
    'permission_denied',
    `The state directory ${directory} belongs to user ${uid}, and this is user ${process.geteuid()}; log in as the one whose node-agent it is.`,
  );
}

const noFailure = (): CcliError | undefined => undefined;

/** Undefined when it ends, or stays silent, before it says a word. */
async function firstWords(socket: Socket, limit_ms: number): Promise<Buffer | undefined> {
  const late = setTimeout(
    () => {
      socket.destroy();
    },
    Math.max(limit_ms, 0),
  );
  const first = await new Promise<Buffer | undefined>(resolve => {
    const nothing = (): void => {
      resolve(undefined);
    };
    socket.once('end', nothing);
    socket.once('close', nothing);
    socket.once('data', chunk => {
      socket.pause();
      resolve(chunk);
    });
  });
  clearTimeout(late);
  if (first === undefined) socket.destroy();
  return first;
}
