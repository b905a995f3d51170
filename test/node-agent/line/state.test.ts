/** Who gets a state directory, and who is told that somebody has it. */
import { chown, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { loadNodeConfig } from '../../../node-agent/config.ts';
import { reach } from '../../../node-agent/line/reach.ts';
import { dial, listen, SOCKET_NAME } from '../../../node-agent/line/socket.ts';
import { startStandIn } from '../../../node-agent/line/stand-in.ts';
import { takeOver } from '../../../node-agent/line/take-over.ts';
import { lockState } from '../../../node-agent/state-directory.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { ERRORS, toErrorBody } from '../../../protocol/errors.ts';
import { plainEnvironment } from '../../support/plain-environment.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const log = createLog({ level: 'silent', name: 'test' });
/** Must not be started in these tests. */
const standIn = { program: '/nowhere', args: [], environment: {} };

/** One that works in a directory and knows of no socket, as daemons once did. */
async function silentHolder(): Promise<string> {
  const directory = await temporaryDirectory();
  const lock = await lockState(directory);
  onTestFinished(lock.release);
  return directory;
}

test('a daemon without a socket is left alone, and whoever comes is told of it', async () => {
  const directory = await silentHolder();
  const message = expect.stringContaining(String(process.pid)) as string;
  const reached = reach({ state_dir: directory, standIn, patience_ms: 200 });
  await expect(reached).rejects.toMatchObject({ code: 'state_in_use', message });
  const taken = takeOver({ directory, log, patience_ms: 200, onWaiting: () => undefined });
  await expect(taken).rejects.toMatchObject({ code: 'start_failed', message });
});

test('one that takes connections and says nothing is no reason to wait for ever', async () => {
  const directory = await silentHolder();
  const mute = createServer(() => undefined).listen(join(directory, SOCKET_NAME));
  onTestFinished(() => {
    mute.close();
  });
  await expect(reach({ state_dir: directory, standIn, patience_ms: 300 })).rejects.toMatchObject({
    code: 'state_in_use',
  });
});

test('a daemon that finds nobody to answer is started again: who works there may be about to go', async () => {
  const directory = await silentHolder();
  const failure = await takeOver({ directory, log, patience_ms: 0, onWaiting: () => undefined }).catch(
    toErrorBody,
  );
  const unit = await readFile(`${DEPLOY}systemd/ccli-node-agent@.service`, 'utf8');
  const never = /^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  expect(never).toEqual([String(ERRORS.state_in_use.exit)]);
  expect(never).not.toContain(String(ERRORS['code' in failure ? failure.code : 'internal'].exit));
});

test('nothing is started in the state directory of another user, whose daemon could not read it', async () => {
  const root = process.geteuid?.() === 0;
  const state_dir = root ? await temporaryDirectory() : '/';
  if (root) await chown(state_dir, 65_534, 65_534);
  await expect(reach({ state_dir, standIn })).rejects.toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining('log in as') as string,
  });
});

test('a stand-in that cannot be started is told by why', async () => {
  const state_dir = await temporaryDirectory();
  await expect(reach({ state_dir, standIn })).rejects.toMatchObject({
    code: 'start_failed',
    message: expect.stringContaining('stand-in.log') as string,
  });
});

test('a socket that a killed owner has left is replaced, and is for its user alone', async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, SOCKET_NAME), '');
  await writeFile(join(directory, `${SOCKET_NAME}.0badcafe`), '');
  expect(await dial(directory)).toBeUndefined();
  const listener = await listen(directory, socket => socket.end());
  expect(await readdir(directory)).toEqual([SOCKET_NAME]);
  expect((await stat(join(directory, SOCKET_NAME))).mode & 0o777).toBe(0o600);
  (await dial(directory))?.destroy();
  await listener.close();
  expect(await readdir(directory)).toEqual([]);
});

test('a directory that takes no socket is told by its name', async () => {
  await expect(listen('/proc/self/fd', () => undefined)).rejects.toMatchObject({ code: 'config_invalid' });
});

test('a stand-in stays as long as it may, and leaves nothing but its journal', async () => {
  const directory = await temporaryDirectory();
  const state_dir = join(directory, 'state');
  const file = join(directory, 'node-agent.yaml');
  await writeFile(file, stringify({ node: 'walnut', state_dir }));
  const config = loadNodeConfig(file, plainEnvironment());
  const stands = await startStandIn({ config, log, linger_ms: 50 });
  await expect(startStandIn({ config, log })).rejects.toMatchObject({ code: 'state_in_use' });
  await stands.ended;
  expect(await readdir(state_dir)).toEqual(['journal']);
});
