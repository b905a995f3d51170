/**
 * A booted machine as an operator gets one: users with homes, nvm with a real Node and the gemini CLI in them, and a real
 * sshd. Its network is that of the tests, so it reaches their servers, and they its sshd, on loopback.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished } from 'vitest';
import type { Bootstrapped } from '../../coordinator/bootstrap/bootstrap.ts';
import { type DoctorFinding, DoctorReportSchema } from '../../coordinator/doctor/report.ts';
import { ccli, type Finished } from '../coordinator/cli/support/fake-io.ts';
import { type RunOverrides, runBootstrap } from './bootstrap-run.ts';
import { testCoordinator } from './fleet.ts';
import { type GeminiStub, startGeminiStub } from './gemini-stub.ts';
import { type TestNats, testNats } from './nats-server.ts';
import { nodeBuild } from './node-builds.ts';
import { bootMachine, CHECKOUT, type Machine } from './nspawn.ts';
import { findSshd, freePort, makeKey } from './sshd-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

const NODE_VERSION = '22.14.0';
const BUILD = '/srv/node-build';
/** What the machine calls this one: on loopback, though no address says so. */
const FLEET_NAME = 'fleet.example';

export interface SshMachine extends Machine {
  readonly port: number;
  readonly sshd: string;
}

/** For hooks, which must stop it themselves. */
export async function bootSshMachine(): Promise<SshMachine> {
  const sshd = await findSshd();
  if (sshd === undefined) throw new Error('no sshd here; ask findSshd first');
  const machine = await bootMachine({
    network: 'shared',
    bind: { [await nodeBuild(NODE_VERSION)]: BUILD },
  });
  const port = await freePort();
  try {
    await machine.write(
      '/srv/sshd/sshd_config',
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        'HostKey /srv/sshd/host_key',
        'AuthorizedKeysFile /srv/sshd/authorized_keys',
        'PidFile none',
        'UsePAM yes',
        'UseDNS no',
        'PermitRootLogin prohibit-password',
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'PrintMotd no',
        'Subsystem sftp internal-sftp',
        '',
      ].join('\n'),
    );
    await machine.ask(`echo '127.0.0.1 ${FLEET_NAME}' >>/etc/hosts
      ssh-keygen -q -t ed25519 -N '' -f /srv/sshd/host_key
      touch /srv/sshd/authorized_keys
      systemd-run --quiet --unit=test-sshd --property=RuntimeDirectory=sshd ${sshd} -D -e -f /srv/sshd/sshd_config`);
    await waitFor(() => answers(port), { what: 'the sshd of the machine' });
  } catch (error) {
    await machine.stop();
    throw error;
  }
  return { ...machine, port, sshd };
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connectTcp({ port, host: '127.0.0.1' });
    const end = (outcome: boolean): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once('data', () => {
      end(true);
    });
    socket.once('error', () => {
      end(false);
    });
  });

export interface MachineHost {
  readonly nats: TestNats;
  readonly connection: NatsConnection;
  readonly stub: GeminiStub;
  readonly home: string;
  readonly key_file: string;
  /** Where the machine finds NATS. */
  readonly nats_url: string;
  /** `ccli bootstrap` for this user of it. */
  readonly bootstrap: (...flags: readonly string[]) => Promise<Finished>;
  /** What the doctor finds there, and in the fleet. */
  readonly doctor: () => Promise<readonly DoctorFinding[]>;
  readonly run: (over?: RunOverrides) => Promise<Bootstrapped>;
  /** All that an installation may touch there: modes, owners, contents and links. Its state, which grows, may be left out. */
  readonly traces: (what?: 'all' | 'but state') => Promise<string>;
}

/** A user of the machine who has never heard of ccli, and a fleet to join; the user goes when the test has finished. */
export async function machineHost(machine: SshMachine, user: string): Promise<MachineHost> {
  const nats = await testNats();
  await testCoordinator(nats);
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const directory = await temporaryDirectory();
  const key_file = join(directory, 'gemini-api-key');
  await writeFile(key_file, 'stub-key\n', { mode: 0o600 });
  const identity = join(directory, 'id_ed25519');
  await makeKey(identity);
  const public_key = (await readFile(`${identity}.pub`, 'utf8')).trim();
  const home = user === 'root' ? '/root' : `/home/${user}`;
  await machine.ask(`echo '${public_key}' >>/srv/sshd/authorized_keys`);
  await machine.ask(
    user === 'root'
      ? // What this machine's root happens to have is not part of it.
        `mount -t tmpfs -o mode=700 tmpfs ${home}`
      : `useradd -m -s /bin/bash ${user}`,
  );
  const version = `${home}/.nvm/versions/node/v${NODE_VERSION}`;
  await machine.ask(`mkdir -p ${version}/bin ${version}/lib/node_modules/@google ${home}/.gemini
    ln -s ${BUILD}/bin/node ${version}/bin/node
    ln -s ${CHECKOUT}/node_modules/@google/gemini-cli ${version}/lib/node_modules/@google/gemini-cli
    ln -s ../lib/node_modules/@google/gemini-cli/bundle/gemini.js ${version}/bin/gemini
    echo GOOGLE_GEMINI_BASE_URL=${stub.url} >${home}/.gemini/.env
    chown -R ${user} ${home}`);
  const config_file = join(directory, 'ssh_config');
  await writeFile(
    join(directory, 'known_hosts'),
    `[127.0.0.1]:${machine.port} ${await machine.ask('cat /srv/sshd/host_key.pub')}\n`,
  );
  await writeFile(
    config_file,
    [
      'Host walnut',
      '  HostName 127.0.0.1',
      `  Port ${machine.port}`,
      `  User ${user}`,
      `  IdentityFile ${identity}`,
      '  IdentitiesOnly yes',
      '  IdentityAgent none',
      `  UserKnownHostsFile ${join(directory, 'known_hosts')}`,
      '  GlobalKnownHostsFile /dev/null',
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  const nats_url = nats.url.replace('127.0.0.1', FLEET_NAME);
  const setting = { name: 'walnut', config_file, operator_home: directory, nats_url, connection, key_file };
  const cli = (...argv: readonly string[]): Promise<Finished> =>
    ccli(argv, { environment: { HOME: directory } });
  const traces = `${home} /etc /usr/local /var/lib/systemd/linger`;
  return {
    nats,
    connection,
    stub,
    home,
    key_file,
    nats_url,
    async doctor() {
      const { out, err } = await cli(
        ...['doctor', 'walnut', '--json', '--no-prompts', '--ssh-config', config_file, '--nats', nats.url],
      );
      expect(err).toBe('');
      return DoctorReportSchema.parse(JSON.parse(out)).checks;
    },
    bootstrap: (...flags) =>
      cli(
        'bootstrap',
        'walnut',
        '--ssh-config',
        config_file,
        '--nats',
        nats.url,
        '--nats-url',
        nats_url,
        ...flags,
      ),
    run: over => runBootstrap(setting, over),
    traces: (what = 'all') => {
      const not = what === 'all' ? '' : `-not -path '${home}/.local/state/*'`;
      return machine.ask(`find ${traces} ${not} -printf '%M %u %p %l\\n' 2>/dev/null | sort
        find ${traces} ${not} -type f -exec sha256sum {} + 2>/dev/null | sort -k 2`);
    },
  };
}
