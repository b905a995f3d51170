/** A whole bootstrap over SSH onto a machine with a real systemd: as a service of the system, and as one of a user. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readCredentials } from '../../coordinator/bootstrap/credentials.ts';
import { readBundle } from '../../coordinator/bundle/read.ts';
import { findOnPath } from '../../coordinator/embedded/executable.ts';
import { CcliError } from '../../protocol/errors.ts';
import { callOperation } from '../support/fleet.ts';
import { bootSshMachine, type MachineHost, machineHost, type SshMachine } from '../support/machine-host.ts';
import { whyNoMachine } from '../support/nspawn.ts';
import { otherBundle } from '../support/other-bundle.ts';
import { findSshd } from '../support/sshd.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const why =
  (await findSshd()) === undefined
    ? 'needs sshd: a machine is bootstrapped over a real one'
    : await whyNoMachine();
const SLOW = { timeout: 240_000 };
let machine: SshMachine;

beforeAll(async () => {
  if (why === undefined) machine = await bootSshMachine();
}, 180_000);
afterAll(async () => {
  if (why === undefined) await machine.stop();
}, 60_000);
beforeEach(({ skip }) => {
  if (why !== undefined) skip(why);
});

const outcomes = (err: string, mark: string): string[] =>
  err.split('\n').flatMap(line => (line.startsWith(`${mark} `) ? [line.split(/\s+/)[1] ?? ''] : []));

const answered = async ({ connection }: MachineHost, prompt: string): Promise<void> => {
  const view = await callOperation(connection, 'run', { prompt, wait_ms: 60_000 });
  expect(view).toMatchObject({ status: 'completed', agent_id: 'walnut-gemini' });
  expect(view.response).toContain(prompt);
};

/** Of the daemon that advertises itself: another one after each start. */
const instance = async ({ connection }: MachineHost): Promise<string | undefined> =>
  (await callOperation(connection, 'nodes', {})).nodes.find(({ node }) => node === 'walnut')?.instance_id;

interface Kind {
  readonly service: 'system' | 'user';
  readonly user: string;
  /** Becomes root without a password. */
  readonly sudo?: true;
  /** What an administrator has done before. */
  readonly allow?: string;
  /** `systemctl` for its unit. */
  readonly systemctl: string;
}

const AS_BOB = 'runuser -u bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u bob)';
const KINDS: readonly Kind[] = [
  { service: 'system', user: 'root', systemctl: 'systemctl show ccli-node-agent@root.service' },
  {
    service: 'system',
    user: 'carol',
    sudo: true,
    systemctl: 'systemctl show ccli-node-agent@carol.service',
  },
  {
    service: 'user',
    user: 'bob',
    // Without a policy daemon nobody but root may let a user's services run on.
    allow: '[ -e /usr/lib/polkit-1/polkitd ] || loginctl enable-linger bob',
    systemctl: `${AS_BOB} systemctl --user show ccli-node-agent.service`,
  },
];

test.for(KINDS)(
  'a bare host gets a $service service of $user: it answers, stays as it is, is upgraded, and leaves nothing behind',
  SLOW,
  async ({ service, user, sudo, allow, systemctl }, { skip }) => {
    if (sudo && (await findOnPath('sudo', process.env)) === undefined)
      skip('needs sudo: an ordinary user installs a service of the system by it');
    const host = await machineHost(machine, user);
    if (sudo) await machine.write(`/etc/sudoers.d/${user}`, `${user} ALL=(ALL) NOPASSWD: ALL\n`, '440');
    if (allow !== undefined) await machine.ask(allow);
    const bare = await host.traces();

    const dry = await host.bootstrap('--dry-run', '--gemini-api-key-file', host.key_file);
    expect(dry.code, dry.err).toBe(0);
    expect(await host.traces()).toBe(bare);

    const first = await host.bootstrap('--gemini-api-key-file', host.key_file);
    expect(first.code, first.err).toBe(0);
    expect(first.err).toContain('walnut-gemini answers');
    expect(first.out).toMatch(new RegExp(`service\\s+ccli-node-agent.*\\(${service}\\)`));
    await answered(host, 'hello from a unit');
    expect(await machine.ask(`${systemctl} --value -p Type -p ActiveState -p UnitFileState`)).toBe(
      'notify\nactive\nenabled',
    );

    const found = await host.doctor();
    expect(found.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(found.find(({ check }) => check === 'unit')).toMatchObject({
      outcome: 'ok',
      says: expect.stringMatching(/active.*enabled, with a watchdog, never restarted/) as unknown,
    });

    const installed = await host.traces('but state');
    const before = await instance(host);
    const repeat = await host.bootstrap('--gemini-api-key-file', host.key_file);
    expect(repeat.code, repeat.err).toBe(0);
    expect(outcomes(repeat.err, '✓')).toEqual(['connect', 'check']);
    expect(await host.traces('but state')).toBe(installed);
    expect(await instance(host)).toBe(before);

    const bundle = otherBundle(await readBundle(), '9.9.9');
    await host.run({ bundle, wishes: { service: 'auto', upgrade: true, credentials: [] } });
    expect(await instance(host)).not.toBe(before);
    const { nodes } = await callOperation(host.connection, 'nodes', {});
    expect(nodes).toMatchObject([{ node: 'walnut', version: '9.9.9', alive: true }]);
    await answered(host, 'hello from the new version');

    const removed = await host.bootstrap('--uninstall');
    expect(removed.code, removed.err).toBe(0);
    expect(await host.traces()).toBe(bare);
    expect(await machine.ask(`${systemctl} --value -p LoadState`)).toBe('not-found');
    expect((await machine.sh(`pgrep -u ${user} -f 'program[.]mjs'`)).code).toBe(1);
  },
);

test('a service of the system has the GPUs of its host, and writes where its agents work', SLOW, async () => {
  const host = await machineHost(machine, 'root');
  await machine.ask("touch /dev/nvidiactl; mkdir '/srv/a $HOME %h project'");
  const config = join(await temporaryDirectory(), 'node-agent.yaml');
  await writeFile(
    config,
    `agents:
  - id: toucher
    agent_type: cli_generic
    command: /bin/sh
    args: ['-c', 'cat >/dev/null; touch here && ls -d /dev/nvidiactl && pwd']
    cwd: /srv/a $HOME %h project
`,
  );
  const flags = ['--config', config, '--service', 'system'];
  const first = await host.bootstrap(...flags);
  expect(first.code, first.err).toBe(0);
  const view = await callOperation(host.connection, 'run', { prompt: 'x', wait_ms: 60_000 });
  expect(view).toMatchObject({
    status: 'completed',
    response: '/dev/nvidiactl\n/srv/a $HOME %h project\n',
  });
  const repeat = await host.bootstrap(...flags);
  expect(outcomes(repeat.err, '✓')).toEqual(['connect', 'check']);
  const removed = await host.bootstrap('--uninstall');
  expect(removed.code, removed.err).toBe(0);
});

test(
  'a new version that systemd does not get up is taken back, units and all, and the old one works on',
  SLOW,
  async () => {
    const host = await machineHost(machine, 'dave');
    await machine.ask('[ -e /usr/lib/polkit-1/polkitd ] || loginctl enable-linger dave');
    const wishes = {
      service: 'auto',
      credentials: await readCredentials({ gemini_api_key: host.key_file }),
    } as const;
    await host.run({ wishes });
    const installed = await host.traces('but state');
    const bundle = otherBundle(await readBundle(), '9.9.9', {
      'bin/ccli': text =>
        text.replace(
          'set -u\n',
          'set -u\ncase "$*" in "node-agent --config "*) echo no such luck; exit 3 ;; esac\n',
        ),
      'systemd/user/ccli-node-agent.service': text => `${text}# another one\n`,
    });
    const error: unknown = await host
      .run({ bundle, wishes: { ...wishes, upgrade: true } })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CcliError);
    expect(String(error)).toContain('Step "start" on walnut');
    expect(String(error)).toContain('walnut is as it was');
    expect(await host.traces('but state')).toBe(installed);
    await answered(host, 'still there?');
    const removed = await host.bootstrap('--uninstall');
    expect(removed.code, removed.err).toBe(0);
  },
);
