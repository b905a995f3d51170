/** Whether a port of this machine can be listened on. */
import { once } from 'node:events';
import { createServer } from 'node:net';

export async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(probe, 'listening');
    return true;
  } catch {
    // In use, or not ours to take: not free either way.
    return false;
  } finally {
    probe.close();
  }
}
