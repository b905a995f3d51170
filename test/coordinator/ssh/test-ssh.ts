/** Our SSH client for a real sshd of a test. */
import { onTestFinished } from 'vitest';
import { createSsh } from '../../../coordinator/ssh/client.ts';
import { SshClientSettingsSchema } from '../../../coordinator/ssh/settings.ts';
import type {
  RemoteResult,
  RunOptions,
  Ssh,
  SshClientOptions,
  SshHost,
} from '../../../coordinator/ssh/ssh.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { type TestSshd, testSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';

interface TestSshOptions extends Partial<Pick<SshClientOptions, 'askPassphrase' | 'random'>> {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface TestHost {
  readonly sshd: TestSshd;
  readonly ssh: Ssh;
  readonly host: SshHost;
}

/** For hosts that the file knows. */
export function testSsh(config_file: string, options: TestSshOptions = {}): Ssh {
  const { settings = {}, environment = {}, ...rest } = options;
  const ssh = createSsh({
    settings: SshClientSettingsSchema.parse({ config_file, ...settings }),
    environment: { PATH: process.env['PATH'], ...environment },
    log: createLog({ level: 'silent', name: 'test' }),
    ...rest,
  });
  onTestFinished(() => ssh.close());
  return ssh;
}

export async function testHost(
  options: TestSshOptions & { readonly sshd?: Parameters<typeof testSshd>[0] } = {},
): Promise<TestHost> {
  const { sshd: server, ...client } = options;
  const sshd = await testSshd(server);
  const ssh = testSsh(sshd.config_file, client);
  return { sshd, ssh, host: ssh.host(sshd.name) };
}

export const live = (): AbortSignal => new AbortController().signal;
export const soon = (): RunOptions => ({ signal: live(), timeout_ms: 60_000 });

export const sh = (host: SshHost, script: string, options: RunOptions = soon()): Promise<RemoteResult> =>
  host.run({ script }, options);

/** The error that a promise is rejected with; it must be one of ours. */
export async function failureOf(promise: Promise<unknown>): Promise<CcliError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CcliError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** Until the server, too, knows that no session is open any more. */
export const sessionsOver = (ssh: Ssh): Promise<unknown> =>
  waitFor(() => ssh.counts().every(({ sessions_in_use }) => sessions_in_use === 0), {
    what: 'the end of every session',
  });
