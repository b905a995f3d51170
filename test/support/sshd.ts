/** A real OpenSSH server for one test, gone when the test is. */
import { beforeEach, onTestFinished } from 'vitest';
import { findSshd, type SshdOptions, type SshServer, startSshd } from './sshd-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export { findSshd, makeKey } from './sshd-server.ts';

export type TestSshd = SshServer;

export async function testSshd(options: SshdOptions = {}): Promise<TestSshd> {
  const server = await startSshd(await temporaryDirectory(), options);
  onTestFinished(server.kill);
  return server;
}

/** Called in a file or a group of tests: each of them is skipped, with the reason, where there is no sshd. */
export function needsSshd(why: string): void {
  beforeEach(async ({ skip }) => {
    if ((await findSshd()) === undefined) skip(`needs sshd: ${why}`);
  });
}
