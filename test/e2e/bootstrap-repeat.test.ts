/** What a second bootstrap changes, and what it leaves alone. */
import { appendFile, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type BareHost, bareHost, daemonPid } from '../support/bare-host.ts';
import { callOperation } from '../support/fleet.ts';
import { gate } from '../support/gemini-stub.ts';
import { listing } from '../support/listing.ts';
import { findSshd } from '../support/sshd.ts';
import { waitFor } from '../support/wait.ts';

const needs_sshd = (await findSshd()) === undefined;
beforeEach(({ skip }) => {
  if (needs_sshd) skip('needs sshd: a host is bootstrapped over a real one');
});
const SLOW = { timeout: 180_000 };
const configOf = (host: BareHost): string => join(host.home, '.config/ccli/node-agent.yaml');

test('a dry run tells each step and changes nothing', SLOW, async () => {
  const host = await bareHost();
  const bare = await listing(host.home, { times: true });
  const dry = await host.bootstrap('--dry-run', '--gemini-api-key-file', host.key_file);
  expect(dry.code, dry.err).toBe(0);
  for (const step of ['upload', 'configure', 'try', 'switch', 'service', 'start', 'advert', 'canary'])
    expect(dry.err).toMatch(new RegExp(`\\? ${step}\\s+would `));
  expect(await listing(host.home, { times: true })).toEqual(bare);
});

test('a changed setting changes that alone, and starts the daemon anew once', SLOW, async () => {
  const host = await bareHost({ versions: ['22.14.0', '22.17.0'] });
  await host.run({ wishes: { node_version: 'v22.14.0' } });
  const before = await daemonPid(host.home);
  const { steps } = await host.run({ wishes: { node_version: 'v22.17.0', credentials: [] } });
  expect(steps.filter(({ outcome }) => outcome === 'done').map(({ step }) => step)).toEqual([
    'connect',
    'check',
    'configure',
    'try',
    'start',
    'advert',
    'canary',
    'tidy',
  ]);
  expect(await daemonPid(host.home)).not.toBe(before);
  const { nodes } = await callOperation(host.connection, 'nodes', {});
  expect(nodes.map(({ node_js }) => node_js)).toEqual(['v22.17.0']);
  expect((await stat(configOf(host))).mode & 0o777).toBe(0o600);
  const credentials = join(host.home, '.config/ccli/credentials');
  expect((await stat(credentials)).mode & 0o777).toBe(0o700);
  expect((await stat(join(credentials, 'gemini-api-key'))).mode & 0o777).toBe(0o600);
});

test('what an operator has edited is kept, unless it is to be replaced', SLOW, async () => {
  const host = await bareHost();
  await host.run();
  await appendFile(configOf(host), 'drain_timeout: 5s # mine\n');
  const edited = await readFile(configOf(host), 'utf8');
  const notes: string[] = [];
  const watcher = { note: (text: string) => notes.push(text) };
  const asked = { node_version: 'v22.14.0', credentials: [] };
  await host.run({ wishes: asked, watcher });
  expect(await readFile(configOf(host), 'utf8')).toBe(edited);
  expect(notes.join('\n')).toContain('--force-config');

  await host.run({ wishes: { ...asked, force_config: true }, watcher });
  expect(await readFile(configOf(host), 'utf8')).toContain('node_version: v22.14.0');
  const names = Object.keys(await listing(join(host.home, '.config/ccli')));
  const backup = names.find(name => name.startsWith('node-agent.yaml.'));
  expect(backup).toBeDefined();
  expect(await readFile(join(host.home, '.config/ccli', backup ?? ''), 'utf8')).toBe(edited);
});

test.each([
  ['whose bytes are others', (program: string) => appendFile(program, '// damaged\n')],
  ['that is gone', (program: string) => rm(program)],
])('a program %s is put right by the next bootstrap', SLOW, async (_what, damage) => {
  const host = await bareHost();
  await host.run();
  const ours = { without: ['.local/state', '.nvm'] };
  const before = await listing(host.home, ours);
  const pid = await daemonPid(host.home);
  const base = join(host.home, '.local/share/ccli');
  await damage(join(base, await readlink(join(base, 'current')), 'lib/node-agent/program.mjs'));

  const dry = await host.run({ wishes: { dry_run: true } });
  expect(dry.steps.find(({ step }) => step === 'upload')?.says).toContain('damaged');
  const { steps } = await host.run();
  const done = steps.filter(({ outcome }) => outcome === 'done').map(({ step }) => step);
  expect(done).toEqual(['connect', 'check', 'upload', 'try', 'start', 'advert', 'canary']);
  expect(await listing(host.home, ours)).toEqual(before);
  expect(await daemonPid(host.home)).not.toBe(pid);
});

test('a daemon that is gone is started again, and nothing else is done', SLOW, async () => {
  const host = await bareHost();
  await host.run();
  const pid = await daemonPid(host.home);
  if (pid === undefined) throw new Error('no daemon');
  process.kill(pid, 'SIGKILL');
  await waitFor(async () => (await daemonPid(host.home)) === undefined);
  const { steps } = await host.run({ wishes: { canary: false } });
  expect(steps.filter(({ outcome }) => outcome === 'done').map(({ step }) => step)).toEqual([
    'connect',
    'check',
    'start',
    'advert',
  ]);
});

test('of several hosts one that fails does not stop the others', SLOW, async () => {
  const host = await bareHost();
  // A name of the same configuration that leads nowhere.
  await appendFile(host.sshd.config_file, 'Host ironwood\n  HostName 127.0.0.1\n  Port 1\n');
  const both = await host.bootstrap('ironwood', '--json', '--gemini-api-key-file', host.key_file);
  expect(both.code).toBe(4);
  const document: unknown = JSON.parse(both.out);
  expect(document).toMatchObject({
    hosts: [
      { host: 'walnut', summary: { node: 'walnut', agents: ['walnut-gemini'] } },
      { host: 'ironwood', error: { code: 'ssh_unreachable' } },
    ],
  });
});

test('no secret shows in what is printed, or in the settings', SLOW, async () => {
  const host = await bareHost();
  await writeFile(host.key_file, 'a-very-secret-key\n');
  const made = await host.bootstrap('--gemini-api-key-file', host.key_file);
  expect(made.code, made.err).toBe(0);
  expect(made.out + made.err).not.toContain('very-secret');
  expect(await readFile(configOf(host), 'utf8')).not.toContain('very-secret');
});

test('an uninstall refuses to lose results that the fleet has not got', SLOW, async () => {
  const host = await bareHost();
  const bare = await listing(host.home);
  await host.run();
  const hold = gate();
  host.stub.answer(async () => {
    await hold.opened;
    return 'done without NATS';
  });
  const { task_id } = await callOperation(host.connection, 'submit', { prompt: 'hold on' });
  await host.stub.received(2);
  await host.nats.kill();
  hold.open();
  const outbox = join(host.home, '.local/state/ccli/node-agent/journal/outbox');
  await waitFor(async () => Object.keys(await listing(outbox)).length > 1, {
    what: 'a result in the outbox',
  });

  const refused = await host.bootstrap('--uninstall');
  expect(refused.err).toContain('results_unsent');
  expect(refused.code).toBe(5);
  expect(await daemonPid(host.home)).toBeDefined();

  await host.nats.restart();
  const connection = await connect({ servers: host.nats.url });
  onTestFinished(() => connection.close());
  await waitFor(async () => (await callOperation(connection, 'get', { task_id })).status === 'completed');
  const removed = await host.bootstrap('--uninstall');
  expect(removed.code, removed.err).toBe(0);
  expect(await listing(host.home)).toEqual(bare);
});

test('an uninstall of a bare host says that nothing is installed', SLOW, async () => {
  const host = await bareHost();
  const bare = await listing(host.home, { times: true });
  const removed = await host.bootstrap('--uninstall');
  expect(removed.code, removed.err).toBe(0);
  expect(removed.err).toContain('nothing is installed');
  expect(await listing(host.home, { times: true })).toEqual(bare);
});
