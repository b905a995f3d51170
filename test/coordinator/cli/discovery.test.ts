import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findFleet } from '../../../coordinator/cli/discovery.ts';
import { writeRuntimeFile } from '../../../coordinator/embedded/runtime-file.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ccli } from './support/fake-io.ts';

async function home(config?: string): Promise<{ HOME: string }> {
  const HOME = await temporaryDirectory();
  if (config !== undefined) {
    await mkdir(join(HOME, '.config', 'ccli'), { recursive: true });
    await writeFile(join(HOME, '.config', 'ccli', 'config.yaml'), config);
  }
  return { HOME };
}

/** A state directory in which a fleet is up: this process. */
async function state(nats_url: string, prefix = 'ccli'): Promise<string> {
  const directory = await temporaryDirectory();
  await writeRuntimeFile(directory, { nats_url, prefix, node: 'here' });
  return directory;
}

const url = (name: string): string => `nats://${name}:4222`;

describe('finding a fleet', () => {
  test('goes by flag, then environment, then file, then what `ccli up` left', async () => {
    const environment = await home(`nats: { url: "${url('file')}" }\nprefix: fromfile\n`);
    const flag = { nats: url('flag') };
    const byVariable = { ...environment, CCLI_NATS_URL: url('variable'), CCLI_PREFIX: 'fromvariable' };
    expect(await findFleet(flag, byVariable)).toEqual({ nats: { url: url('flag') }, prefix: 'fromvariable' });
    expect(await findFleet({}, byVariable)).toEqual({
      nats: { url: url('variable') },
      prefix: 'fromvariable',
    });
    expect(await findFleet({ prefix: 'x' }, environment)).toEqual({
      nats: { url: url('file') },
      prefix: 'x',
    });
    expect(await findFleet({}, environment)).toEqual({ nats: { url: url('file') }, prefix: 'fromfile' });
  });

  test('reads the runtime file of a state directory named by flag, environment or file', async () => {
    const byFlag = await state(url('a'), 'pa');
    const byVariable = await state(url('b'), 'pb');
    const byFile = await state(url('c'), 'pc');
    const environment = await home(`state_dir: ${byFile}\n`);
    const both = { ...environment, CCLI_STATE_DIR: byVariable };
    expect(await findFleet({ state: byFlag }, both)).toEqual({ nats: { url: url('a') }, prefix: 'pa' });
    expect(await findFleet({}, both)).toEqual({ nats: { url: url('b') }, prefix: 'pb' });
    expect(await findFleet({}, environment)).toEqual({ nats: { url: url('c') }, prefix: 'pc' });
  });

  test('finds the fleet that is up in the default state directory', async () => {
    const XDG_STATE_HOME = await temporaryDirectory();
    await mkdir(join(XDG_STATE_HOME, 'ccli'));
    await writeRuntimeFile(join(XDG_STATE_HOME, 'ccli'), {
      nats_url: url('d'),
      prefix: 'ccli',
      node: 'here',
    });
    expect(await findFleet({}, { ...(await home()), XDG_STATE_HOME })).toMatchObject({
      nats: { url: url('d') },
    });
  });

  test('sends credentials of the file only to the server that the file names', async () => {
    const environment = await home(`nats: { url: "${url('file')}", token_file: ~/token }\n`);
    expect((await findFleet({}, environment)).nats).toEqual({
      url: url('file'),
      token_file: join(environment.HOME, 'token'),
    });
    expect((await findFleet({ nats: url('flag') }, environment)).nats).toEqual({ url: url('flag') });
    const named = { ...environment, CCLI_NATS_CREDENTIALS_FILE: '/c' };
    expect((await findFleet({ nats: url('flag') }, named)).nats).toEqual({
      url: url('flag'),
      credentials_file: '/c',
    });
  });

  test('a variable may name a credential in place of a path', async () => {
    const environment = await home();
    const directory = join(environment.HOME, '.config', 'ccli', 'credentials');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'nats-token'), 'secret');
    const named = { ...environment, CCLI_NATS_TOKEN_FILE: 'credential:nats-token' };
    expect((await findFleet({ nats: url('flag') }, named)).nats).toEqual({
      url: url('flag'),
      token_file: join(directory, 'nats-token'),
    });
    const missing = { ...environment, CCLI_NATS_TOKEN_FILE: 'credential:other' };
    const { code, err } = await ccli(['status', '--nats', url('flag')], { environment: missing });
    expect(code).toBe(2);
    expect(err).toContain('CCLI_NATS_TOKEN_FILE names no file: there is no credential "other"; looked for ');
  });

  test('finding none, says how to start one and exits 4', async () => {
    const environment = await home();
    const { code, err } = await ccli(['status'], { environment });
    expect(code).toBe(4);
    expect(err).toContain('error fleet_not_found: No fleet runs in ');
    expect(err).toContain('`ccli up`');
  });

  test('tells all mistakes of the file at once', async () => {
    const environment = await home('nats: { url: 5, pasword: x }\nprefix: Ä\n');
    const { code, err } = await ccli(['agents'], { environment });
    expect(code).toBe(2);
    expect(err).toContain('config.yaml is not a valid configuration');
    for (const part of ['nats.url: ', 'pasword', 'prefix: lower-case']) expect(err).toContain(part);
  });

  test('a file that is no YAML is named', async () => {
    const environment = await home('nats: [\n');
    expect((await ccli(['agents'], { environment })).err).toContain('config.yaml cannot be read.');
  });

  test('a prefix that cannot be one is refused', async () => {
    expect((await ccli(['agents', '--nats', url('x'), '--prefix', 'A.b'])).code).toBe(2);
  });

  test('a server that is not there exits 4 and names it', async () => {
    const { code, err } = await ccli(['agents', '--nats', 'nats://127.0.0.1:1']);
    expect(code).toBe(4);
    expect(err).toContain('error nats_unreachable: NATS does not answer at nats://127.0.0.1:1.');
  });

  test.each([
    'nats://me:secret@127.0.0.1:1',
    'nats://secret@127.0.0.1',
    'secret@host',
    'nats://a,nats://secret@b',
  ])('credentials in the address (%s) are refused and never shown', async address => {
    const environment = { ...(await home()), CCLI_NATS_URL: address };
    for (const ended of [
      await ccli(['agents', '--nats', address]),
      await ccli(['agents'], { environment }),
    ]) {
      expect(ended.code).toBe(2);
      expect(ended.err).toContain('CCLI_NATS_TOKEN_FILE');
      expect(ended.err).not.toContain('secret');
    }
  });
});
