import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withSecrets } from '../../../node-agent/process/env-files.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { failure, makeDriver, readAgent } from '../drivers/fixture.ts';

const agent = (env_files: Record<string, string>) => ({ id: 'walnut-gemini', env: { A: '1' }, env_files });
const never = new AbortController().signal;

async function secret(text: string, mode = 0o600): Promise<string> {
  const file = join(await temporaryDirectory(), 'secret');
  await writeFile(file, text);
  await chmod(file, mode);
  return file;
}

test('a tool gets what stands in a file, without its last line end', async () => {
  const given = agent({ KEY: await secret('sesame\n'), PEM: await secret('two\nlines', 0o440) });
  expect((await withSecrets(given, {})).env).toEqual({ A: '1', KEY: 'sesame', PEM: 'two\nlines' });
  expect(given.env).toEqual({ A: '1' });
});

test.each([
  ['that everybody can read', 'sesame', 0o604, 'everybody on this host'],
  ['that is empty', '\n', 0o600, 'is no value for a variable'],
  ['of any size', 'x'.repeat(65_537), 0o600, 'too large'],
])(
  'a file %s is refused, with the variable and the file named and nothing of what stands in it',
  async (_, text, mode, told) => {
    const file = await secret(text, mode);
    const error: unknown = await withSecrets(agent({ KEY: file }), {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CcliError);
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining(told) as string });
    expect(String(error)).toContain('KEY of agent walnut-gemini');
    expect(String(error)).toContain(file);
    expect(JSON.stringify(error)).not.toContain('sesame');
  },
);

test('a file or credential that is not there is told by code', async () => {
  await expect(withSecrets(agent({ KEY: '/nowhere/key' }), {})).rejects.toMatchObject({
    code: 'config_invalid',
    message: 'KEY of agent walnut-gemini: /nowhere/key cannot be read.',
  });
  await expect(withSecrets(agent({ KEY: 'credential:gone' }), { HOME: '/h' })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('/h/.config/ccli/credentials/gone') as string,
  });
});

test('an agent whose secret is missing is told so by its probe, and well once it is there', async () => {
  const file = join(await temporaryDirectory(), 'key');
  const { driver } = await makeDriver({
    agent: { agent_type: 'cli_generic', command: '/usr/bin/env', env_files: { KEY: file } },
  });
  expect((await failure(driver.probe(never))).code).toBe('config_invalid');
  await writeFile(file, 'sesame\n', { mode: 0o600 });
  await driver.probe(never);
});

test('a variable that is set twice is a mistake', async () => {
  const wrong = readAgent(
    await temporaryDirectory(),
    { agent_type: 'cli_generic', command: '/usr/bin/env', env: { KEY: 'a' }, env_files: { KEY: '/b' } },
    {},
  );
  await expect(wrong).rejects.toMatchObject({
    message: expect.stringContaining('KEY stands in `env` as well') as string,
  });
});
