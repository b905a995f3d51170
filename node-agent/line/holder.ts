/** Who answers at the socket of a state directory. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { FromNodeSchema, MAX_LINE_BYTES } from '../../protocol/line.ts';
import { windUpLine } from './frame.ts';
import { readLines } from './read-lines.ts';
import { dial } from './socket.ts';

type Role = 'daemon' | 'stand_in';

const HELLO_LIMIT_MS = 5_000;

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

/** Resolves when whoever answers there has gone, or makes no sense. @throws CcliError as `dial` */
export async function askToWindUp(directory: string): Promise<void> {
  const socket = await dial(directory);
  if (socket === undefined) return;
  try {
    if ((await roleOf(socket)) !== 'stand_in') return;
    socket.write(windUpLine());
    // Its adverts are read, so that it is never held up by us.
    socket.resume();
    await once(socket, 'end');
  } catch {
    // It broke off: gone, in its way. Whoever asked looks again.
  } finally {
    socket.destroy();
  }
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
