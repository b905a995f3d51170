import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLine } from '../../../node-agent/line/line.ts';
import type { Handle, Verbs } from '../../../node-agent/verbs.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { LINE_VERBS } from '../../../protocol/line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const MIB = 1024 * 1024;

/** Both ends of one connection, of which the far one is not read. */
async function sockets(): Promise<{ near: Socket; far: Socket }> {
  const path = join(await temporaryDirectory(), 'line.sock');
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const far = connect({ path, allowHalfOpen: true }).pause();
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  return { near, far };
}

const nothing: Handle = bytes => Promise.resolve(bytes);
const verbs = Object.fromEntries(LINE_VERBS.map(verb => [verb, nothing])) as Verbs;

test('a line that nobody reads holds only so many reports, and takes the others when it is read again', async () => {
  const { near, far } = await sockets();
  const line = createLine({
    socket: near,
    verbs,
    first: [],
    advertAgain: () => undefined,
    onAck: () => undefined,
    onWindUp: () => undefined,
    onEnd: () => undefined,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  const report = (nth: number): void => {
    line.report(`r${nth}`, Buffer.from(`${nth}${' '.repeat(MIB)}\n`));
  };
  for (let nth = 0; nth < 64; nth += 1) report(nth);
  expect(near.writableLength).toBeLessThan(20 * MIB);

  let came = '';
  far.setEncoding('utf8').on('data', (text: string) => {
    came += text.replaceAll(' ', '');
  });
  far.resume();
  await waitFor(() => near.writableLength === 0);
  expect(came.split('\n')).not.toContain('63');
  report(63);
  await waitFor(() => came.split('\n').includes('63'));
});
