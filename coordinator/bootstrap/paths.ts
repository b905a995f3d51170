/** Where everything of a node-agent lies on its host: in the home of the user who logs in. */
import { CcliError } from '../../protocol/errors.ts';
import type { Shell } from './shell.ts';

export interface HostPaths {
  readonly home: string;
  /** `~/.local/share/ccli`: versions, the record of the installation, and what a run keeps to be able to go back. */
  readonly share: string;
  readonly versions: string;
  /** A symbolic link to the version in use. */
  readonly current: string;
  readonly record: string;
  /** And what a run makes of it. */
  readonly undo: string;
  /** `~/.local/bin/ccli`. */
  readonly command: string;
  readonly config_directory: string;
  readonly config: string;
  /** Holds the absolute path of the Node that ccli runs under. */
  readonly node: string;
  readonly credentials: string;
  /** Of ccli, not of one node-agent. */
  readonly state: string;
}

export function hostPaths(home: string): HostPaths {
  const share = `${home}/.local/share/ccli`;
  const config_directory = `${home}/.config/ccli`;
  return {
    home,
    share,
    versions: `${share}/versions`,
    current: `${share}/current`,
    record: `${share}/installation.json`,
    undo: `${share}/undo.`,
    command: `${home}/.local/bin/ccli`,
    config_directory,
    config: `${config_directory}/node-agent.yaml`,
    node: `${config_directory}/node`,
    credentials: `${config_directory}/credentials`,
    state: `${home}/.local/state/ccli`,
  };
}

export interface HostUser {
  readonly home: string;
  readonly user: string;
  readonly uid: number;
}

/** HOME as a login of this user has it: the directory that SFTP starts in may be another. */
export async function findUser(shell: Shell): Promise<HostUser> {
  const [home = '', user = '', uid = ''] = (
    await shell.run(`printf '%s\\n' "\${HOME:-}" "$(id -un)" "$(id -u)"`)
  ).split('\n');
  if (home.startsWith('/') && /^\d+$/.test(uid))
    return { home: home.replace(/(?<=.)\/+$/, ''), user, uid: Number(uid) };
  throw new CcliError(
    'host_not_ready',
    `${shell.host} gives its user no home directory; HOME is "${home}" there.`,
  );
}
