import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { runDaemon } from '../../../../coordinator/cli/commands/daemon.ts';
import type { Interrupt } from '../../../../coordinator/cli/io.ts';
import { built } from '../../../support/built.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { pathExists } from '../support/path-exists.ts';

/** Runs a program as `ccli node-agent` would run the daemon. */
function daemon(args: readonly string[]) {
  let send: (signal: Interrupt) => void = () => undefined;
  const ended = runDaemon(args, {
    environment: process.env,
    onInterrupt: listener => {
      send = listener;
      return () => undefined;
    },
  });
  return {
    ended,
    interrupt: (signal: Interrupt) => {
      send(signal);
    },
  };
}

async function program(text: string): Promise<{ file: string; directory: string }> {
  const directory = await temporaryDirectory();
  const file = join(directory, 'daemon.mjs');
  await writeFile(file, text);
  return { file, directory };
}

describe('a daemon run by ccli', () => {
  test('gives its exit code', async () => {
    const { file } = await program('process.exit(Number(process.argv[2]))');
    expect(await daemon([file, '7']).ended).toBe(7);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'gets our %s and may end in its own time',
    async signal => {
      const { file, directory } = await program(`
      import { writeFileSync } from 'node:fs';
      const keep = setInterval(() => {}, 1000);
      process.on('${signal}', () => { clearInterval(keep); process.exitCode = 3; });
      writeFileSync(process.argv[2], '');
    `);
      const ready = join(directory, 'ready');
      const run = daemon([file, ready]);
      await waitFor(() => pathExists(ready));
      run.interrupt(signal);
      expect(await run.ended).toBe(3);
    },
  );

  test('winds up when ccli is killed', async () => {
    const { file, directory } = await program(`
      import { writeFileSync } from 'node:fs';
      const [ended, ready, flag] = process.argv.slice(2);
      if (flag !== '--exit-with-parent') process.exit(1);
      process.stdin.resume().on('end', () => { writeFileSync(ended, ''); process.exit(); });
      writeFileSync(ready, '');
    `);
    const wrapper = join(directory, 'wrapper.mjs');
    const module = pathToFileURL(built('coordinator/cli/commands/daemon.ts')).href;
    const [ended, ready] = [join(directory, 'ended'), join(directory, 'ready')];
    const args = JSON.stringify([file, ended, ready]);
    await writeFile(
      wrapper,
      `import { runDaemon } from ${JSON.stringify(module)};
       await runDaemon(${args}, { environment: process.env, onInterrupt: () => () => undefined });`,
    );
    const child = spawn(process.execPath, [wrapper], { stdio: 'ignore' });
    await waitFor(() => pathExists(ready));
    child.kill('SIGKILL');
    await waitFor(() => pathExists(ended));
  });

  test('killed by a signal gives 128 and its number', async () => {
    const { file } = await program(`process.kill(process.pid, 'SIGKILL')`);
    expect(await daemon([file]).ended).toBe(137);
  });
});
