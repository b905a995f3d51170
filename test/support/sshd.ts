/** A real OpenSSH server for one test, gone when the test is. */
import { onTestFinished } from 'vitest';
import { type SshdOptions, type SshServer, startSshd } from './sshd-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export { findSshd, makeKey } from './sshd-server.ts';

export type TestSshd = SshServer;

export async function testSshd(options: SshdOptions = {}): Promise<TestSshd> {
  const server = await startSshd(await temporaryDirectory(), options);
  onTestFinished(server.kill);
  return server;
}
