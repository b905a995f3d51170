/** The private keys there are: each file is read, and each passphrase asked for, once. */
import { readFile } from 'node:fs/promises';
import type { ParsedKey } from 'ssh2';
import { CcliError } from '../../protocol/errors.ts';
import { type KeyFile, readKeyFile, unlockKeyFile } from './key-file.ts';
import type { SshClientOptions } from './ssh.ts';

const ASK_TIMES = 3;

type KeyringOptions = Pick<SshClientOptions, 'askPassphrase'> & {
  readonly passphrase_file: string | undefined;
};

export class Keyring {
  readonly #options: KeyringOptions;
  readonly #unlocked = new Map<string, Promise<ParsedKey>>();
  /** One question at a time: there is one person. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(options: KeyringOptions) {
    this.#options = options;
  }

  /** As it is now: a key that has just been put there is found. */
  read(path: string): Promise<KeyFile> {
    return readKeyFile(path);
  }

  /** @throws CcliError `ssh_key_locked` */
  unlock(path: string): Promise<ParsedKey> {
    const present = this.#unlocked.get(path);
    if (present !== undefined) return present;
    const unlocking = this.#unlock(path);
    this.#unlocked.set(path, unlocking);
    unlocking.catch(() => {
      // Without anybody to ask, the file may hold the right passphrase next time.
      if (this.#options.askPassphrase === undefined) this.#unlocked.delete(path);
    });
    return unlocking;
  }

  async #unlock(path: string): Promise<ParsedKey> {
    const { passphrase_file, askPassphrase } = this.#options;
    if (passphrase_file !== undefined) {
      const key = await unlockKeyFile(path, await firstLine(passphrase_file));
      if (key !== undefined) return key;
    }
    if (askPassphrase === undefined) {
      const why = passphrase_file === undefined ? '' : ` and ${passphrase_file} does not hold its passphrase`;
      throw new CcliError(
        'ssh_key_locked',
        `The key ${path} is encrypted${why}; load it into an agent with \`ssh-add ${path}\`, or name a file with its passphrase.`,
      );
    }
    const asked = this.#asking.then(() => ask(path, askPassphrase));
    this.#asking = asked.catch(() => undefined);
    return await asked;
  }
}

async function ask(
  path: string,
  askPassphrase: (key_file: string) => Promise<string | undefined>,
): Promise<ParsedKey> {
  for (let time = 0; time < ASK_TIMES; time += 1) {
    const passphrase = await askPassphrase(path);
    if (passphrase === undefined) break;
    const key = await unlockKeyFile(path, passphrase);
    if (key !== undefined) return key;
  }
  throw new CcliError('ssh_key_locked', `The key ${path} stays locked: no right passphrase was given.`);
}

async function firstLine(file: string): Promise<string> {
  try {
    const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/);
    return line;
  } catch (cause) {
    throw new CcliError('ssh_key_locked', `The passphrase file ${file} cannot be read.`, { cause });
  }
}
