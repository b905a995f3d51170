/** Running a helper program to its end. */
import { limitedSignal } from '../../protocol/daemon/limited-signal.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { spawnGuarded } from './guardian.ts';

interface CommandOptions {
  readonly environment: Environment;
  readonly cwd?: string;
  readonly timeout_ms: number;
  readonly signal?: AbortSignal | undefined;
}

const KEPT_CHARACTERS = 8_192;

/**
 * What the program printed on stdout and stderr (the end of it, if it is long).
 *
 * @throws Error with the program's last line when it fails; the signal's reason when aborted.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { environment, cwd, timeout_ms, signal }: CommandOptions,
): Promise<string> {
  signal?.throwIfAborted();
  const child = spawnGuarded({
    command,
    args,
    environment,
    output: 'pipe',
    grace_s: 2,
    ...(cwd !== undefined && { cwd }),
  });
  let printed = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-KEPT_CHARACTERS);
  });
  const limit = limitedSignal(signal === undefined ? [] : [signal], timeout_ms);
  const onAbort = (): void => {
    void child.stop();
  };
  limit.signal.addEventListener('abort', onAbort, { once: true });
  const { code, error } = await child.exited;
  limit.clear();
  limit.signal.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  if (limit.late()) throw new Error(`${command} did not end within ${timeout_ms / 1000} s`);
  if (code !== 0) {
    const lastLine = printed.trim().split('\n').at(-1) ?? '';
    throw new Error(lastLine === '' ? `${command} ended with code ${code ?? 'unknown'}` : lastLine, {
      cause: error,
    });
  }
  return printed;
}
