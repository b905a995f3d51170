/** Who answers at the socket of a state directory. */
import type { Socket } from 'node:net';
import { ADVERT_INTERVAL_MS, LOST_AFTER_INTERVALS } from '../../protocol/limits.ts';
import { FromNodeSchema, MAX_LINE_BYTES } from '../../protocol/line.ts';
import { windUpLine } from './frame.ts';
import { readLines } from './read-lines.ts';
import { dial } from './socket.ts';

type Role = 'daemon' | 'stand_in';

const HELLO_LIMIT_MS = 5_000;
/** A host that is busy for a moment is not silent. */
const LEAST_INTERVAL_MS = 1_000;

/** Undefined when nobody says. @throws CcliError as `dial` */
export async function roleOfHolder(directory: string): Promise<Role | undefined> {
  const socket = await dial(directory);
  if (socket === undefined) return undefined;
  try {
    return await roleOf(socket);
  } finally {
    socket.destroy();
  }
}

/**
 * Resolves when whoever answers there has gone, makes no sense, or has fallen silent: the last is 'silent'.
 *
 * @throws CcliError as `dial`
 */
export async function askToWindUp(directory: string): Promise<'silent' | undefined> {
  const socket = await dial(directory);
  if (socket === undefined) return undefined;
  try {
    if ((await roleOf(socket)) !== 'stand_in') return undefined;
    socket.write(windUpLine());
    return await untilSilent(socket);
  } catch {
    // It broke off: gone, in its way. Whoever asked looks again.
    return undefined;
  } finally {
    socket.destroy();
  }
}

/** Its adverts are read, so that it is never held up by us, and is seen to live. */
async function untilSilent(socket: Socket): Promise<'silent' | undefined> {
  const silence = new AbortController();
  let limit_ms = LOST_AFTER_INTERVALS * ADVERT_INTERVAL_MS;
  const fallsSilent = (): void => {
    silence.abort();
    socket.destroy();
  };
  let late = setTimeout(fallsSilent, limit_ms);
  try {
    for await (const line of readLines(socket.iterator({ destroyOnReturn: false }), MAX_LINE_BYTES)) {
      const said = FromNodeSchema.safeParse(JSON.parse(line.toString())).data;
      if (said?.kind === 'advert')
        limit_ms = LOST_AFTER_INTERVALS * Math.max(said.advert.interval_ms, LEAST_INTERVAL_MS);
      clearTimeout(late);
      late = setTimeout(fallsSilent, limit_ms);
    }
  } catch (error) {
    if (!silence.signal.aborted) throw error;
  } finally {
    clearTimeout(late);
  }
  return silence.signal.aborted ? 'silent' : undefined;
}

async function roleOf(socket: Socket): Promise<Role | undefined> {
  const late = setTimeout(() => {
    socket.destroy();
  }, HELLO_LIMIT_MS);
  try {
    for await (const line of readLines(socket.iterator({ destroyOnReturn: false }), MAX_LINE_BYTES)) {
      const hello = FromNodeSchema.safeParse(JSON.parse(line.toString()));
      return hello.data?.kind === 'hello' ? hello.data.role : undefined;
    }
    return undefined;
  } catch {
    // Broken off, silent, or no node of ours.
    return undefined;
  } finally {
    clearTimeout(late);
  }
}
