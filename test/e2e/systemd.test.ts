/** The units under a real systemd: one machine for all tests, which come one after another in the life of a host. */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { bootMachine, CHECKOUT, type Machine, NODE, whyNoMachine } from '../support/nspawn.ts';
import { waitFor } from '../support/wait.ts';

const NATS_SERVER = '/srv/nats-server';
const NODE_AGENT = 'ccli-node-agent@alice.service';
const COORDINATOR = 'ccli-coordinator.service';
const NATS = 'ccli-nats-server.service';
const HOME = '/home/alice';
const WORK = join(HOME, 'work');
const STATE = join(HOME, '.local/state/ccli');
const CONFIG = join(HOME, '.config/ccli/node-agent.yaml');
const TOKEN = 'a-token-that-nobody-guesses';

const why = await whyNoMachine();
let booted: Machine | undefined;

beforeAll(async () => {
  if (why !== undefined) return;
  const { path } = await findNatsServer({ environment: process.env, onStage: () => undefined });
  booted = await bootMachine({ bind: { [path]: NATS_SERVER } });
}, 180_000);

afterAll(async () => {
  await booted?.stop();
});

const on = (): Machine => {
  if (booted === undefined) throw new Error('no machine');
  return booted;
};

const install = (...flags: string[]) =>
  on().sh(
    `${join(CHECKOUT, 'deploy/install.sh')} --node ${NODE} --nats-server ${NATS_SERVER} ${flags.join(' ')}`,
  );

/** A property of a unit. */
const show = (property: string, unit = NODE_AGENT): Promise<string> =>
  on().ask(`systemctl show --value --property=${property} ${unit}`);
const pidOf = async (unit = NODE_AGENT): Promise<number> => Number(await show('MainPID', unit));
const journal = (unit = NODE_AGENT): Promise<string> => on().ask(`journalctl --no-pager -u ${unit}`);
const isActive = async (unit = NODE_AGENT): Promise<boolean> =>
  (await show('ActiveState', unit)) === 'active';
/** Another process has come in place of this one, and is ready. */
const replaced = (pid: number): Promise<true> =>
  until(`another process than ${pid}`, async () => {
    const now = await pidOf();
    return now !== 0 && now !== pid && (await isActive());
  });
const ccli = (args: string): Promise<string> => on().ask(`/usr/local/bin/ccli ${args}`);
const until = (what: string, condition: () => Promise<boolean>): Promise<true> =>
  waitFor(condition, { what, timeout_ms: 60_000, pause_ms: 100 });

const nodeAgentFile = (over = ''): string => `
node: walnut
nats:
  token_file: credential:nats-token
agents:
  - id: scripted
    agent_type: cli_generic
    command: ${CHECKOUT}/test/support/tools/scripted.mjs
    cwd: ${WORK}
  - id: environment
    agent_type: cli_generic
    command: /usr/bin/env
    cwd: ${WORK}
    env_files: {SECRET_KEY: credential:secret-key}
${over}`;

/** Laid out as `ccli bootstrap` does it; the start of the daemon waits for `open`. */
const CCLI = `#!/bin/sh
while [ ! -e "$HOME/open" ]; do sleep 0.05; done
exec ${NODE} ${CHECKOUT}/dist/node-agent/program.js "$@"
`;

/** What its template cannot know, as `ccli bootstrap` writes it, with a directory of agents and root's own secrets. */
const DROP_IN = `[Service]
WorkingDirectory=${HOME}
ExecStart=
ExecStart="${HOME}/.local/bin/ccli" node-agent --config "${CONFIG}"
ReadWritePaths="${STATE}" ${WORK} -/srv/not-there
LoadCredential=ccli:/etc/ccli/credentials
`;

const SHORT_WATCHDOG_S = 3;

/** A task of the scripted tool that goes on until `work/<name>` exists; once it runs, its process id. */
async function startTask(
  name: string,
): Promise<{ task_id: string; tool: string; release: () => Promise<unknown> }> {
  const words = { say: `${name} is done`, gate: join(WORK, name), log: join(WORK, `${name}.log`) };
  const task_id = await ccli(`submit --agent scripted '#${JSON.stringify(words)}'`);
  const line = await waitFor(() => on().ask(`cat ${WORK}/${name}.log`), { what: `${name} runs` });
  return {
    task_id,
    tool: line.replace('start ', ''),
    release: () => on().ask(`touch ${WORK}/${name}`),
  };
}

const answerOf = async (task_id: string): Promise<unknown> => {
  await ccli(`task wait ${task_id}`);
  return JSON.parse(await ccli(`task show --json ${task_id}`));
};

const files = (): Promise<string> =>
  on().ask(
    'find /etc /opt /usr/local /var/lib -not -path "/var/lib/systemd/*" -not -path "/var/lib/ccli-nats/*" | grep -v "^/etc/[a-z.]*-$" | sort',
  );

describe('units under systemd', () => {
  beforeEach(({ skip }) => {
    skip(why !== undefined, why);
  });
  let before = '';

  test('a first installation that does not come up leaves nothing behind', async () => {
    const machine = on();
    await machine.write('/etc/ccli/coordinator.yaml', 'nats: [');
    const there = await files();
    const { code, stderr } = await install();
    expect(code).toBe(1);
    expect(stderr).toContain('coordinator.yaml cannot be read');
    expect(stderr).toContain('putting everything back');
    expect(await files()).toBe(there);
    expect(await machine.ask('ls -d /var/lib/ccli* || true; getent passwd ccli ccli-nats || true')).toBe('');
    expect(await machine.ask('systemctl list-units --all --no-legend "ccli*"')).toBe('');
    await machine.ask('rm -r /etc/ccli');
  });

  test('install.sh brings up a coordinator and its NATS server', async () => {
    before = await files();
    const { code, stdout, stderr } = await install();
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain('ccli bootstrap HOST');
    const status = JSON.parse(await ccli('status --json')) as { nats: object };
    expect(status.nats).toMatchObject({ durability: 'power_cut' });
    expect(await show('StatusText', COORDINATOR)).toBe('serving ccli through NATS at nats://127.0.0.1:4222');
    expect([await show('User', COORDINATOR), await show('User', NATS)]).toEqual(['ccli', 'ccli-nats']);
  });

  test('install.sh, repeated, changes and restarts nothing', async () => {
    const pids = [await pidOf(COORDINATOR), await pidOf(NATS)];
    const { code, stdout } = await install();
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(stdout).toContain('nothing had to be changed');
    expect([await pidOf(COORDINATOR), await pidOf(NATS)]).toEqual(pids);
  });

  test('a secret that only root can read reaches a daemon as a credential', async () => {
    const machine = on();
    await machine.write('/etc/ccli/credentials/nats-token', `${TOKEN}\n`, '600');
    await machine.write('/etc/ccli/credentials/secret-key', 'opensesame\n', '600');
    await machine.ask(`echo 'authorization { token: "${TOKEN}" }' >>/etc/ccli/nats-server.conf
      sed -i 's/^nats:/&\\n  token_file: credential:nats-token/' /etc/ccli/coordinator.yaml /etc/ccli/config.yaml
      echo 'discovered: allow' >>/etc/ccli/coordinator.yaml
      systemctl restart ${NATS} ${COORDINATOR}`);
    await until('the coordinator', async () => (await show('StatusText', COORDINATOR)).startsWith('serving'));
    await ccli('status');
    const stranger = await machine.sh(
      'HOME=/nowhere /usr/local/bin/ccli status --nats nats://127.0.0.1:4222',
    );
    expect(stranger.stderr).toContain('nats_refused');
    expect(await machine.ask(`tr '\\0' '\\n' </proc/${await pidOf(COORDINATOR)}/cmdline`)).not.toContain(
      TOKEN,
    );
  });

  test('a node-agent is active only once it is ready', async () => {
    const machine = on();
    await machine.ask(`useradd --create-home alice
      cp "${CHECKOUT}/deploy/systemd/ccli-node-agent@.service" /etc/systemd/system/
      runuser -u alice -- mkdir -p ${WORK} ${STATE} ${HOME}/.config/ccli`);
    await machine.write(`${HOME}/.local/bin/ccli`, CCLI, '755');
    await machine.write(CONFIG, nodeAgentFile());
    await machine.write(`/etc/systemd/system/${NODE_AGENT}.d/10-bootstrap.conf`, DROP_IN);
    await machine.ask(`systemctl daemon-reload; systemctl start --no-block ${NODE_AGENT}`);
    await until('its process', async () => (await pidOf()) > 0);
    expect(await machine.sh(`systemctl is-active ${NODE_AGENT}`)).toMatchObject({ stdout: 'activating\n' });
    await machine.ask(`touch ${HOME}/open`);
    await until('it is active', isActive);
    await until('its advert', async () => (await ccli('nodes')).includes('walnut'));
    expect(await show('User')).toBe('alice');
  });

  test('a tool gets the secrets meant for it, and nothing that is the service’s own', async () => {
    const printed = await ccli('run --quiet --agent environment x');
    expect(printed).toContain('SECRET_KEY=opensesame');
    expect(printed).not.toMatch(/NOTIFY_SOCKET|WATCHDOG|CREDENTIALS_DIRECTORY|INVOCATION_ID/);
    expect(await journal()).not.toContain('opensesame');
  });

  test('a daemon that was killed is started again', async () => {
    const pid = await pidOf();
    await on().ask(`kill -KILL ${pid}`);
    await replaced(pid);
    expect(await show('NRestarts')).toBe('1');
  });

  test('a daemon whose event loop stands still is killed by the watchdog and started again', async () => {
    const machine = on();
    await machine.write(
      `/etc/systemd/system/${NODE_AGENT}.d/20-short.conf`,
      `[Service]\nWatchdogSec=${SHORT_WATCHDOG_S}s\nRestartSec=100ms\n`,
    );
    await machine.ask(`systemctl daemon-reload; systemctl restart ${NODE_AGENT}`);
    const pid = await pidOf();
    await machine.ask(`kill -STOP ${pid}`);
    await replaced(pid);
    expect(await journal()).toContain('Watchdog timeout');
    expect(await show('NRestarts')).toBe('1');
  });

  test('an outage of NATS that outlasts the watchdog kills no daemon and no running tool', async () => {
    const machine = on();
    const pid = await pidOf();
    const task = await startTask('outlasting');
    await machine.ask(`systemctl stop ${NATS}`);
    const told = async (): Promise<number> => Number(await show('WatchdogTimestampMonotonic'));
    const from = await told();
    await until(
      'two periods of the watchdog',
      async () => (await told()) > from + 2 * SHORT_WATCHDOG_S * 1e6,
    );
    expect(await pidOf()).toBe(pid);
    expect(await pidOf(COORDINATOR)).toBeGreaterThan(0);
    await machine.ask(`kill -0 ${task.tool}`);
    await machine.ask(`systemctl start ${NATS}`);
    await task.release();
    expect(await answerOf(task.task_id)).toMatchObject({ status: 'completed', attempts: [{ attempt: 1 }] });
    expect([await show('NRestarts'), await show('NRestarts', COORDINATOR)]).toEqual(['1', '0']);
  });

  test('stopping lets a running task end first', async () => {
    const machine = on();
    const task = await startTask('draining');
    await machine.ask(`systemctl stop --no-block ${NODE_AGENT}`);
    await until('it winds up', async () => (await show('StatusText')) === 'winding up');
    expect(await show('ActiveState')).toBe('deactivating');
    await machine.ask(`kill -0 ${task.tool}`);
    await task.release();
    await until('it has stopped', async () => (await show('ActiveState')) === 'inactive');
    expect(await show('Result')).toBe('success');
    expect(await answerOf(task.task_id)).toMatchObject({ status: 'completed', attempts: [{ attempt: 1 }] });
  });

  test('a configuration that is wrong is told, and not tried again', async () => {
    const machine = on();
    await machine.write(CONFIG, nodeAgentFile('drain_timeout: soon'));
    expect((await machine.sh(`systemctl start ${NODE_AGENT}`)).code).not.toBe(0);
    expect(await show('ActiveState')).toBe('failed');
    expect([await show('ExecMainStatus'), await show('NRestarts')]).toEqual(['2', '0']);
    expect(await journal()).toContain('drain_timeout');
    await machine.write(CONFIG, nodeAgentFile());
  });

  test('a user runs a node-agent without root, also when not logged in', async () => {
    const machine = on();
    const as = (command: string): string =>
      `runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/$(id -u alice) ${command}`;
    await machine.ask(`loginctl enable-linger alice
      install -d -m 700 -o alice ${HOME}/.config/ccli/credentials ${HOME}/.config/systemd ${HOME}/.config/systemd/user
      cp /etc/ccli/credentials/* ${HOME}/.config/ccli/credentials/
      cp ${CHECKOUT}/deploy/systemd/user/ccli-node-agent.service ${HOME}/.config/systemd/user/
      chown -R alice ${HOME}/.config`);
    await waitFor(() => machine.ask(as('systemctl --user daemon-reload')), {
      what: 'the manager of the user',
    });
    await machine.ask(as('systemctl --user start ccli-node-agent'));
    expect(await machine.ask(as('systemctl --user is-active ccli-node-agent'))).toBe('active');
    expect(await ccli('run --quiet --agent environment x')).toContain('SECRET_KEY=opensesame');
    await machine.ask(as('systemctl --user stop ccli-node-agent'));
    expect(await machine.ask(as('systemctl --user show -P Result ccli-node-agent'))).toBe('success');
  });

  test('an upgrade puts the new version in place, and --rollback the old one', async () => {
    const machine = on();
    await newVersion('0.9.1');
    const refused = await machine.sh(`/srv/0.9.1/deploy/install.sh --node ${NODE}`);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('--upgrade');
    await machine.ask(`/srv/0.9.1/deploy/install.sh --node ${NODE} --upgrade`);
    expect(await ccli('--version')).toContain('0.9.1');
    await machine.ask(`/srv/0.9.1/deploy/install.sh --rollback`);
    expect(await ccli('--version')).not.toContain('0.9.1');
    await ccli('status');
  });

  test('an upgrade that does not come up is taken back', async () => {
    const machine = on();
    const version = await ccli('--version');
    await newVersion('0.9.2');
    await machine.write('/srv/0.9.2/dist/coordinator/main.js', 'process.exit(1);\n');
    const there = await files();
    const { code, stderr } = await machine.sh(`/srv/0.9.2/deploy/install.sh --node ${NODE} --upgrade`);
    expect(code).toBe(1);
    expect(stderr).toContain('putting everything back');
    expect(await ccli('--version')).toBe(version);
    await until('the coordinator', async () => (await show('StatusText', COORDINATOR)).startsWith('serving'));
    await ccli('status');
    expect(await files()).toBe(there);
  });

  test('--uninstall --purge leaves nothing behind', async () => {
    const machine = on();
    await machine.ask(`${CHECKOUT}/deploy/install.sh --uninstall --purge
      rm -rf "/etc/systemd/system/ccli-node-agent@.service" /etc/systemd/system/${NODE_AGENT}.d`);
    expect(await files()).toBe(before);
    expect(await machine.ask('getent passwd ccli ccli-nats || true')).toBe('');
  });
});

/** A build of that version, as an unpacked package. */
async function newVersion(version: string): Promise<void> {
  await on().ask(`mkdir -p /srv/${version}
    cp -a ${CHECKOUT}/dist ${CHECKOUT}/deploy ${CHECKOUT}/LICENSE ${CHECKOUT}/package.json /srv/${version}/
    ln -s ${CHECKOUT}/node_modules /srv/${version}/node_modules
    sed -i 's/"version": "[^"]*"/"version": "${version}"/' /srv/${version}/package.json`);
}
