/**
 * The socket in a node's state directory, behind which whoever works there answers: its daemon, or what stands in for
 * it. Only the owner of the directory's lock listens, so that a file left by a killed one is simply replaced.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, open, readdir, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { CcliError } from '../../protocol/errors.ts';

export const SOCKET_NAME = 'line.sock';
const DRAFT = `${SOCKET_NAME}.`;
/** What the system's address of a socket holds. */
const MAX_PATH_BYTES = 107;

export interface Listener {
  /** Takes no more. Those that are connected stay so. */
  close(): Promise<void>;
}

/** @throws CcliError `config_invalid` when there can be no socket in the directory */
export async function listen(directory: string, onSocket: (socket: Socket) => void): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true }, onSocket);
  const draft = `${DRAFT}${randomUUID().slice(0, 8)}`;
  const file = join(directory, SOCKET_NAME);
  try {
    for (const name of await readdir(directory))
      if (name.startsWith(DRAFT)) await rm(join(directory, name), { force: true });
    await withShortPath(directory, draft, path => listening(server, path));
    // Under its name only once nobody else can open it.
    await chmod(join(directory, draft), 0o600);
    await rename(join(directory, draft), file);
  } catch (cause) {
    server.close();
    await rm(join(directory, draft), { force: true });
    throw new CcliError('config_invalid', `No socket can be made in ${directory}; set another state_dir.`, {
      cause,
    });
  }
  return {
    async close() {
      await rm(file, { force: true });
      server.close();
    },
  };
}

async function listening(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, 'listening');
}

/**
 * Undefined when nobody listens.
 *
 * @throws CcliError `permission_denied`; whatever else keeps it from being reached
 */
export async function dial(directory: string): Promise<Socket | undefined> {
  try {
    return await withShortPath(directory, SOCKET_NAME, connected);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // EAGAIN: so many knock at once that there is a queue no longer.
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EAGAIN') return undefined;
    if (code === 'EACCES' || code === 'EPERM')
      throw new CcliError(
        'permission_denied',
        `The node-agent's socket in ${directory} belongs to another user; log in as the one it runs as.`,
        { cause: error },
      );
    throw error;
  }
}

async function connected(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    await once(socket, 'connect');
    // Its end tells as much.
    socket.on('error', () => undefined);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A path too long for a socket is taken through the open directory, for as long as `use` runs. */
async function withShortPath<T>(
  directory: string,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return await use(path);
  const handle = await open(directory, 'r');
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
