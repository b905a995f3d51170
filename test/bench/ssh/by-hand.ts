/** A prompt as people send it to a host without ccli: one `ssh`, and a new gemini at its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { MODEL } from '../overhead/fleet.ts';
import { ANSWER, PROMPT } from '../overhead/model.ts';
import { type BenchHost, NODE_VERSION } from './host.ts';

/** What stands on the command line of `ssh`; `bash` since it is the shell of the seed's hosts. */
export function remoteCommand({ has_nvm }: Pick<BenchHost, 'has_nvm'>): string {
  const choose = has_nvm
    ? `source ~/.nvm/nvm.sh && nvm use v${NODE_VERSION}`
    : `export PATH="$HOME/.nvm/versions/node/v${NODE_VERSION}/bin:$PATH"`;
  return `exec bash -c '${choose} && echo "${PROMPT}" | gemini --model ${MODEL}'`;
}

interface SshOptions {
  readonly host: BenchHost;
  /** A connection that is shared: `ControlMaster` of OpenSSH. */
  readonly control: string | undefined;
  readonly signal: AbortSignal;
}

/** @returns milliseconds from its start to its exit */
export async function runBySsh({ host, control, signal }: SshOptions): Promise<number> {
  const began = performance.now();
  const printed = await ssh(
    [...sharing(control), '-F', host.config_file, host.name, remoteCommand(host)],
    signal,
  );
  const end_ms = performance.now() - began;
  if (!printed.includes(ANSWER))
    throw new CcliError('internal', `The command over SSH printed "${printed.slice(-300)}".`);
  return end_ms;
}

const sharing = (control: string | undefined): string[] =>
  control === undefined
    ? ['-o', 'ControlPath=none']
    : ['-o', 'ControlMaster=no', '-o', `ControlPath=${control}`];

/** Opens the connection that others share. @returns where it is */
export async function startMaster(
  host: BenchHost,
  directory: string,
  { lifecycle, signal }: { readonly lifecycle: Lifecycle; readonly signal: AbortSignal },
): Promise<string> {
  // Short: the path of a socket has a hundred characters at most.
  const control = join(directory, 'cm');
  const options = ['-F', host.config_file, '-o', `ControlPath=${control}`];
  await ssh([...options, '-o', 'ControlMaster=yes', '-o', 'ControlPersist=yes', '-fN', host.name], signal);
  lifecycle.defer('the shared connection', async () => {
    await ssh([...options, '-O', 'exit', host.name], new AbortController().signal);
  });
  return control;
}

async function ssh(args: readonly string[], signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  // Its stdin and stderr are no pipes of ours: a shared connection in the background would hold them open.
  const child = spawn('ssh', [...args], { stdio: ['ignore', 'pipe', 'ignore'], signal });
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (child.exitCode === 0) return printed;
  throw new CcliError(
    'remote_command_failed',
    `ssh ended with ${child.exitCode ?? 'a signal'}: ${printed.slice(-300)}`,
  );
}
