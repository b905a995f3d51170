/** The units that a bootstrap installs, under a real systemd: of the system, and of a user. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { hostPaths } from '../../coordinator/bootstrap/paths.ts';
import { keepRecord, type RecordKeeper } from '../../coordinator/bootstrap/record.ts';
import { rollBack } from '../../coordinator/bootstrap/roll-back.ts';
import { systemService } from '../../coordinator/bootstrap/service/system.ts';
import { userService } from '../../coordinator/bootstrap/service/user.ts';
import { createShell, type Shell } from '../../coordinator/bootstrap/shell.ts';
import { type Changes, createChanges } from '../../coordinator/bootstrap/undo.ts';
import { readBundle } from '../../coordinator/bundle/read.ts';
import type { SshHost } from '../../coordinator/ssh/ssh.ts';
import { CcliError } from '../../protocol/errors.ts';
import { bootMachine, CHECKOUT, type Machine, NODE, whyNoMachine } from '../support/nspawn.ts';

const no_machine = await whyNoMachine();
let machine: Machine;

beforeAll(async () => {
  if (no_machine !== undefined) return;
  machine = await bootMachine();
  await machine.ask('useradd -m -s /bin/bash alice');
}, 120_000);
afterAll(async () => {
  if (no_machine === undefined) await machine.stop();
}, 60_000);

/** Scripts by a login of that user, as they would come over SSH. */
function shellOf(user: string, home: string): Shell {
  const unused = () => Promise.reject(new CcliError('internal', 'not used here'));
  const host: SshHost = {
    name: 'walnut',
    target: unused,
    probe: unused,
    open: unused,
    sftp: unused,
    async run(command) {
      if (!('script' in command)) return await unused();
      const as = `runuser -u ${user} -- env -u XDG_RUNTIME_DIR HOME=${home} USER=${user} sh -s`;
      return {
        signal: undefined,
        ...(await machine.sh(`${as} <<'END_OF_SCRIPT'\n${command.script}\nEND_OF_SCRIPT`)),
      };
    },
  };
  return createShell(host, new AbortController().signal);
}

beforeEach(({ skip }) => {
  if (no_machine !== undefined) skip(no_machine);
});

test.each([
  ['system', 'root', '/root'],
  ['user', 'alice', '/home/alice'],
] as const)(
  'a %s unit starts, stops, and leaves nothing when it is taken back or removed',
  { timeout: 180_000 },
  async (kind, user, home) => {
    const shell = shellOf(user, home);
    const paths = hostPaths(home);
    const bundle = await readBundle();
    await shell.run(`mkdir -p ${paths.versions}/v ${home}/.local/bin ${paths.config_directory} ${paths.state}/node-agent
cp -r ${CHECKOUT}/dist/bundle/. ${paths.versions}/v/
ln -sfn versions/v ${paths.current}
ln -sfn ../share/ccli/current/bin/ccli ${paths.command}
echo ${NODE} >${paths.node}
printf 'node: walnut\\nagents: []\\n' >${paths.config}`);
    const uid = Number(await shell.run('id -u'));
    const options = { bundle, user: { home, user, uid }, paths, drain_timeout_ms: undefined };
    const service =
      kind === 'system'
        ? systemService({
            ...options,
            state_dir: `${paths.state}/node-agent`,
            directories: [],
            has_gpu: false,
          })
        : userService(options);
    const traces = (): Promise<string> =>
      machine.ask(`find /etc/systemd ${home}/.config/systemd ${paths.share} -not -path '*/versions/*' 2>/dev/null | sort
ls /var/lib/systemd/linger 2>/dev/null || :`);
    const install = async (): Promise<{ changes: Changes; record: RecordKeeper }> => {
      const changes = createChanges();
      const undo_directory = `${paths.undo}test`;
      const record = keepRecord({ found: undefined, shell, paths, changes, undo_directory });
      await service.install({ shell, changes, record, undo_directory });
      return { changes, record };
    };
    const before = await traces();

    expect(await service.wrong(shell)).not.toEqual([]);
    const { changes } = await install();
    expect(await service.wrong(shell)).toEqual([]);
    expect(await service.running(shell)).toBe(false);
    await service.start(shell);
    expect(await service.running(shell)).toBe(true);
    expect(await service.lastWords(shell)).toContain('connecting');
    await service.stop(shell);
    expect(await service.running(shell)).toBe(false);
    const { left } = await rollBack({
      changes,
      shell,
      patience_ms: 1_000,
      relock: () => Promise.resolve(),
      tell: () => undefined,
    });
    expect(left).toEqual([]);
    expect(await traces()).toBe(before);

    const { record } = await install();
    await service.start(shell);
    await service.stop(shell);
    await service.remove(shell, record.now);
    const directories = [...record.now.directories, ...record.now.root_directories].toReversed();
    await shell.run(`rm -f ${paths.record}\nrmdir ${directories.join(' ')}`);
    expect(await traces()).toBe(before);
  },
);
