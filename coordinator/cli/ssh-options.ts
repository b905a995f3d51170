/** What commands that go to hosts over SSH have in common. */
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { type Command, Option } from 'commander';
import { createLog } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { SshClientSettingsSchema } from '../ssh/settings.ts';
import type { Ssh, SshClientOptions } from '../ssh/ssh.ts';
import type { Cli } from './cli.ts';

export interface SshFlags {
  readonly sshConfig?: string;
  readonly identity?: readonly string[];
}

export const withSshOptions = (command: Command): Command =>
  command
    .addOption(new Option('--ssh-config <file>', 'in place of ~/.ssh/config, as `ssh -F`').helpGroup('SSH:'))
    .addOption(
      new Option('--identity <file>', 'a key to offer first, as `ssh -i`; may be repeated')
        .argParser((file, before: readonly string[] | undefined) => [...(before ?? []), file])
        .helpGroup('SSH:'),
    );

/** Opens SSH as the flags say, and always closes it. */
export async function withSsh<T>(cli: Cli, flags: SshFlags, work: (ssh: Ssh) => Promise<T>): Promise<T> {
  const { stdin, stderr } = cli.io;
  const options: SshClientOptions = {
    settings: SshClientSettingsSchema.parse({
      ...(flags.sshConfig !== undefined && { config_file: resolve(flags.sshConfig) }),
      ...(flags.identity !== undefined && { identity_files: flags.identity.map(file => resolve(file)) }),
    }),
    environment: cli.io.environment,
    log: createLog({ level: 'silent', name: 'ccli' }),
    ...(stdin.isTTY === true && stderr.isTTY === true && { askPassphrase: oneAtATime(cli) }),
  };
  const ssh = await cli.io.openSsh(options);
  try {
    return await work(ssh);
  } finally {
    await ssh.close();
  }
}

/** Several hosts may want the same key at once: a person answers once. */
function oneAtATime(cli: Cli): (key_file: string) => Promise<string | undefined> {
  const answers = new Map<string, Promise<string | undefined>>();
  let last: Promise<unknown> = Promise.resolve();
  return key_file => {
    const known = answers.get(key_file);
    if (known !== undefined) return known;
    const answer = last.then(() => askSecretly(cli, `Passphrase of ${key_file}: `));
    last = answer.catch(() => undefined);
    answers.set(key_file, answer);
    return answer;
  };
}

/** Shows nothing of what is typed. @throws CcliError `cancelled` on Ctrl-C */
async function askSecretly({ io, stderr }: Cli, question: string): Promise<string | undefined> {
  stderr.freshLine();
  stderr.write(question);
  const nowhere = new Writable({
    write(_chunk, _encoding, done) {
      done();
    },
  });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true });
  const gone = new AbortController();
  lines.on('SIGINT', () => {
    gone.abort();
  });
  lines.on('close', () => {
    gone.abort();
  });
  try {
    const answer = await lines.question('', { signal: gone.signal });
    return answer === '' ? undefined : answer;
  } catch (cause) {
    throw new CcliError('cancelled', 'No passphrase was given.', { cause });
  } finally {
    lines.close();
    stderr.write('\n');
  }
}
