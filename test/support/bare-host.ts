/** A host that has never heard of ccli: a real sshd, a home with nvm and the gemini CLI in it, and a fleet to join. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { onTestFinished } from 'vitest';
import type { Bootstrapped } from '../../coordinator/bootstrap/bootstrap.ts';
import { ccli, type Finished } from '../coordinator/cli/support/fake-io.ts';
import { type RunOverrides, runBootstrap } from './bootstrap-run.ts';
import { testCoordinator } from './fleet.ts';
import { type GeminiStub, startGeminiStub } from './gemini-stub.ts';
import { type TestNats, testNats } from './nats-server.ts';
import { makeNvmHome } from './node-builds.ts';
import { type TestSshd, testSshd } from './sshd.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

export interface BareHost {
  readonly sshd: TestSshd;
  readonly home: string;
  readonly nats: TestNats;
  readonly connection: NatsConnection;
  readonly stub: GeminiStub;
  readonly key_file: string;
  /** `ccli bootstrap` on it, without systemd, and with what tests always want. */
  readonly bootstrap: (...flags: readonly string[]) => Promise<Finished>;
  /** The same work without a command line around it. */
  readonly run: (over?: RunOverrides) => Promise<Bootstrapped>;
}

interface BareHostOptions {
  /** Versions under nvm, and those of them that have gemini. */
  readonly versions?: readonly string[];
  readonly gemini?: readonly string[];
  readonly name?: string;
  readonly settings?: readonly string[];
  readonly home?: string;
}

export async function bareHost(options: BareHostOptions = {}): Promise<BareHost> {
  const { versions = ['22.14.0'], gemini = versions, name = 'walnut', settings = [] } = options;
  const nats = await testNats();
  await testCoordinator(nats);
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const directory = await temporaryDirectory();
  const home = options.home ?? (await temporaryDirectory());
  const key_file = join(directory, 'gemini-api-key');
  await writeFile(key_file, 'stub-key\n', { mode: 0o600 });
  await makeNvmHome(join(home, '.nvm'), { versions, gemini });
  const sshd = await testSshd({
    name,
    home,
    settings,
    environment: { GOOGLE_GEMINI_BASE_URL: stub.url },
  });
  onTestFinished(() => endDaemon(home));
  const setting = {
    name,
    config_file: sshd.config_file,
    operator_home: directory,
    nats_url: nats.url,
    connection,
    key_file,
  };
  return {
    run: over => runBootstrap(setting, over),
    sshd,
    home,
    nats,
    connection,
    stub,
    key_file,
    bootstrap: (...flags) =>
      ccli(
        [
          'bootstrap',
          name,
          '--ssh-config',
          sshd.config_file,
          '--nats',
          nats.url,
          '--service',
          'process',
          ...flags,
        ],
        { environment: { HOME: directory } },
      ),
  };
}

/** The node-agent that a test has left running there. */
export async function endDaemon(home: string): Promise<void> {
  const pid = await daemonPid(home);
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended already.
    return;
  }
  await waitFor(() => !isAlive(pid), { what: 'the end of the node-agent' });
}

export async function daemonPid(home: string): Promise<number | undefined> {
  const text = await readFile(join(home, '.local/state/ccli/node-agent.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split(' ')[0]);
  return pid > 0 && isAlive(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
