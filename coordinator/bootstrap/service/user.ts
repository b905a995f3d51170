/** A service of the user's own manager, which lingering keeps alive without a login. */
import { CcliError } from '../../../protocol/errors.ts';
import type { Bundle } from '../../bundle/bundle.ts';
import type { HostPaths, HostUser } from '../paths.ts';
import { quote, type Shell } from '../shell.ts';
import type { Service, ServiceSite } from './service.ts';
import { withoutUnit } from './system.ts';
import { bundledUnit, systemdService, unitArgument, unitPath, userCommand } from './systemd.ts';

interface UserOptions {
  readonly bundle: Bundle;
  readonly user: HostUser;
  readonly paths: HostPaths;
  readonly drain_timeout_ms: number | undefined;
}

const UNIT = 'ccli-node-agent.service';

/** @throws CcliError `start_failed` when the bundle was built without its units */
export function userService({ bundle, user, paths, drain_timeout_ms }: UserOptions): Service {
  const content = bundledUnit(bundle, `user/${UNIT}`);
  if (content === undefined) throw withoutUnit(UNIT);
  const directory = `${paths.home}/.config/systemd/user`;
  const pin = `# Written by \`ccli bootstrap\`.
[Service]
ExecStart=
ExecStart=${unitPath(paths.command)} node-agent --config ${unitArgument(paths.config)}
`;
  const name = quote(user.user);
  // Without polkit nobody but root may say so.
  const linger = (verb: 'enable' | 'disable'): string =>
    `loginctl ${verb}-linger ${name} 2>/dev/null || sudo -n loginctl ${verb}-linger ${name} 2>/dev/null || { echo "Permission denied: services of this user end with its last login. Somebody who may has to run: sudo loginctl ${verb}-linger ${user.user}" >&2; exit 1; }`;
  const lingers = async (shell: Shell): Promise<boolean> =>
    (await shell.ask(`loginctl show-user ${name} -p Linger --value`)).stdout.trim() === 'yes';

  const prepare = async ({ shell, changes, record }: ServiceSite): Promise<void> => {
    if (!(await lingers(shell))) {
      changes.note(`lingering of ${user.user}`, async again => {
        await again.run(linger('disable'));
      });
      await shell.run(linger('enable'));
      await record.update({ enabled_linger: true });
    }
    await managerUp(shell);
  };
  return systemdService({
    kind: 'user',
    unit: UNIT,
    drain_timeout_ms,
    files: [
      { path: `${directory}/${UNIT}`, content },
      { path: `${directory}/${UNIT}.d/10-bootstrap.conf`, content: pin },
    ],
    prepare,
    unprepared: async shell =>
      (await lingers(shell)) ? [] : [`enable lingering for ${user.user}`, `install ${UNIT}`],
    async afterwards(shell, { enabled_linger }) {
      if (enabled_linger) await shell.run(linger('disable'));
    },
  });
}

/** Lingering starts the user's manager, which takes a moment. */
async function managerUp(shell: Shell): Promise<void> {
  const { code } = await shell.ask(
    userCommand(`n=0
until systemctl --user show -p Version >/dev/null 2>&1; do
  n=$((n + 1)); [ "$n" -le 100 ] || exit 1
  sleep 0.2
done`),
  );
  if (code === 0) return;
  throw new CcliError(
    'host_not_ready',
    `No systemd of the user answers on ${shell.host}. Log in there once, use --service system as somebody who may use sudo, or --service process.`,
  );
}
