import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCoordinatorConfig } from '../../../coordinator/config.ts';
import { loadNodeConfig } from '../../../node-agent/config.ts';
import { findCredential } from '../../../protocol/daemon/credential.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function makeFile(...parts: string[]): Promise<string> {
  const path = join(...parts);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, 'secret\n', { mode: 0o600 });
  return path;
}

test('a credential is the service’s own before that of the user', async () => {
  const HOME = await temporaryDirectory();
  const CREDENTIALS_DIRECTORY = await temporaryDirectory();
  const environment = { HOME, CREDENTIALS_DIRECTORY };
  const find = (): unknown => findCredential('credential:nats.creds', environment);
  const of_user = await makeFile(HOME, '.config/ccli/credentials/nats.creds');
  expect(find()).toBe(of_user);
  const of_directory = await makeFile(CREDENTIALS_DIRECTORY, 'ccli_nats.creds');
  expect(find()).toBe(of_directory);
  const by_name = await makeFile(CREDENTIALS_DIRECTORY, 'nats.creds');
  expect(find()).toBe(by_name);
});

test('one that is missing says where it was looked for', () => {
  expect(findCredential('credential:absent', { HOME: '/h', CREDENTIALS_DIRECTORY: '/run/c' })).toEqual({
    problem:
      'there is no credential "absent"; looked for /run/c/absent, /run/c/ccli_absent, /h/.config/ccli/credentials/absent, /etc/ccli/credentials/absent',
  });
});

test.each(['', '../x', 'a/b', '.hidden', 'a b', '-x'])('%j is no name of a credential', name => {
  expect(findCredential(`credential:${name}`, { HOME: '/h' })).toEqual({
    problem: expect.stringContaining('where NAME is that of a file') as string,
  });
});

test('every setting that names a file may name a credential', async () => {
  const HOME = await temporaryDirectory();
  const file = join(await temporaryDirectory(), 'coordinator.yaml');
  const place = (name: string) => makeFile(HOME, '.config/ccli/credentials', name);
  const [creds, keys, phrase, key] = [
    await place('creds'),
    await place('keys'),
    await place('phrase'),
    await place('key'),
  ];
  await writeFile(
    file,
    `nats: {credentials_file: "credential:creds"}
http: {keys_file: "credential:keys"}
ssh: {passphrase_file: "credential:phrase", identity_files: ["credential:key", /other]}
`,
  );
  expect(loadCoordinatorConfig(file, { HOME })).toMatchObject({
    nats: { credentials_file: creds },
    http: { keys_file: keys },
    ssh: { passphrase_file: phrase, identity_files: [key, '/other'] },
  });
});

test('a variable of the environment may name one too', async () => {
  const HOME = await temporaryDirectory();
  const token = await makeFile(HOME, '.config/ccli/credentials/token');
  const config = loadNodeConfig(undefined, { HOME, CCLI_NATS_TOKEN_FILE: 'credential:token' });
  expect(config.nats.token_file).toBe(token);
});

test('one that is missing is told together with every other mistake', async () => {
  const file = join(await temporaryDirectory(), 'node.yaml');
  await writeFile(file, 'drain_timeout: soon\nnats: {nkey_file: "credential:gone"}\n');
  const load = (): unknown => loadNodeConfig(file, { HOME: '/h' });
  expect(load).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  expect(load).toThrow(/drain_timeout: .*\n {2}nats\.nkey_file: there is no credential "gone"/);
});

test('what a tool is given as it stands is not touched', async () => {
  const file = join(await temporaryDirectory(), 'node.yaml');
  await writeFile(
    file,
    `agents:
  - {id: a, agent_type: cli_generic, command: /bin/cat, env: {KEY_FILE: "credential:x"}, env_files: {KEY: "credential:y", PEM: ~/pem}}
`,
  );
  const [agent] = loadNodeConfig(file, { HOME: '/h' }).agents;
  expect(agent).toMatchObject({ env: { KEY_FILE: 'credential:x' }, env_files: { KEY: 'credential:y' } });
});
