/** The host of all roads: a real sshd on loopback, before a home as nvm leaves it, with a gemini that is signed in. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { makeNvmHome } from '../../support/node-builds.ts';
import { startSshd } from '../../support/sshd-server.ts';

/** As the seed's hosts have it. */
export const NODE_VERSION = '22.14.0';

export interface BenchHost {
  /** As the client's configuration calls it. */
  readonly name: string;
  readonly config_file: string;
  readonly home: string;
  readonly nvm_dir: string;
  /** Whether nvm itself is there; else its directories alone are. */
  readonly has_nvm: boolean;
}

interface HostOptions {
  readonly lifecycle: Lifecycle;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly nvm_sh: string | undefined;
}

export async function startHost({ lifecycle, directory, ...options }: HostOptions): Promise<BenchHost> {
  const home = join(directory, 'home');
  const nvm_dir = join(home, '.nvm');
  await makeNvmHome(nvm_dir, {
    versions: [NODE_VERSION],
    gemini: [NODE_VERSION],
    aliases: { default: NODE_VERSION },
  });
  const nvm_sh = findNvm(options.nvm_sh);
  if (nvm_sh !== undefined) await copyFile(nvm_sh, join(nvm_dir, 'nvm.sh'));
  await mkdir(join(home, '.gemini'));
  const settings = { security: { auth: { selectedType: 'gemini-api-key' } } };
  await writeFile(join(home, '.gemini', 'settings.json'), JSON.stringify(settings));
  const sshd = await startSshd(directory, {
    name: 'bench',
    home,
    // An error file of gemini goes with everything else.
    environment: { ...options.environment, TMPDIR: directory, GEMINI_CLI_TRUST_WORKSPACE: 'true' },
  });
  lifecycle.defer('sshd', () => sshd.kill());
  const { name, config_file } = sshd;
  return { name, config_file, home, nvm_dir, has_nvm: nvm_sh !== undefined };
}

/** Of this user, or kept beside the Node builds that tests have fetched. */
function findNvm(named: string | undefined): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const places = [
    named,
    join(process.env['NVM_DIR'] ?? join(homedir(), '.nvm'), 'nvm.sh'),
    join(cache, 'ccli', 'test', 'nvm', 'nvm.sh'),
  ];
  return places.find(place => place !== undefined && existsSync(place));
}
