/** A host behind a real sshd, as ccli sees it. */
import { onTestFinished } from 'vitest';
import { createSsh } from '../../../coordinator/ssh/client.ts';
import { SshClientSettingsSchema } from '../../../coordinator/ssh/settings.ts';
import type { SshHost } from '../../../coordinator/ssh/ssh.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { type TestSshd, testSshd } from '../../support/sshd.ts';

export interface TestHost {
  readonly host: SshHost;
  readonly sshd: TestSshd;
  readonly home: string;
}

export async function testHost(options: Parameters<typeof testSshd>[0] = {}): Promise<TestHost> {
  const sshd = await testSshd(options);
  const ssh = createSsh({
    settings: SshClientSettingsSchema.parse({ config_file: sshd.config_file }),
    environment: { HOME: sshd.directory, PATH: process.env['PATH'] },
    log: createLog({ level: 'silent', name: 'test' }),
  });
  onTestFinished(() => ssh.close());
  return { host: ssh.host(sshd.name), sshd, home: sshd.home };
}

export const live = (): AbortSignal => new AbortController().signal;
