import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { built } from '../../support/built.ts';
import { needsSshd, testSshd } from '../../support/sshd.ts';

const run = promisify(execFile);

/** Never closes what it has opened. */
const program = (config_file: string): string => `
  const { createSsh } = await import(${JSON.stringify(pathToFileURL(built('coordinator/ssh/client.ts')).href)});
  const { SshClientSettingsSchema } = await import(${JSON.stringify(pathToFileURL(built('coordinator/ssh/settings.ts')).href)});
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const settings = SshClientSettingsSchema.parse({
    config_file: ${JSON.stringify(config_file)},
    idle_timeout: '1h',
  });
  const host = createSsh({ settings, environment: process.env, log }).host('walnut');
  const options = { signal: new AbortController().signal, timeout_ms: 60_000 };
  const { stdout } = await host.run({ argv: ['echo', 'done'] }, options);
  process.stdout.write(stdout);
`;

describe('a process that is done', () => {
  needsSshd('a real one is spoken to');
  test('ends, though a connection is kept for later', async () => {
    const { config_file } = await testSshd();
    const argv = ['--input-type=module', '-e', program(config_file)];
    expect(await run(process.execPath, argv, { timeout: 60_000 })).toMatchObject({ stdout: 'done\n' });
  });
});
