/** From one version to the next on a host that works meanwhile, and back when the new one does not. */
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { readBundle } from '../../coordinator/bundle/read.ts';
import { CcliError } from '../../protocol/errors.ts';
import { type BareHost, bareHost, daemonPid } from '../support/bare-host.ts';
import { callOperation } from '../support/fleet.ts';
import { listing } from '../support/listing.ts';
import { otherBundle } from '../support/other-bundle.ts';
import { findSshd } from '../support/sshd.ts';
import { waitFor } from '../support/wait.ts';

const needs_sshd = (await findSshd()) === undefined;
beforeEach(({ skip }) => {
  if (needs_sshd) skip('needs sshd: a host is bootstrapped over a real one');
});
const SLOW = { timeout: 180_000 };
const current = (host: BareHost): Promise<string> => readlink(join(host.home, '.local/share/ccli/current'));

test('an upgrade under load loses no task', SLOW, async () => {
  const host = await bareHost();
  await host.run();
  const old = await current(host);
  host.stub.answer(async request => {
    await new Promise(resolve => setTimeout(resolve, 150));
    return `answer to ${request.prompt}`;
  });
  const submitted: string[] = [];
  const load = new AbortController();
  const loading = (async () => {
    while (!load.signal.aborted) {
      const { task_id } = await callOperation(host.connection, 'submit', {
        prompt: `task ${submitted.length}`,
      });
      submitted.push(task_id);
      // As many as the agent can take, and a few that wait.
      await waitFor(async () => {
        const { tasks } = await callOperation(host.connection, 'list', { status: 'queued' });
        return load.signal.aborted || tasks.length < 4;
      });
    }
  })();
  await waitFor(() => submitted.length > 4);
  const bundle = otherBundle(await readBundle(), '9.9.9');
  const { summary } = await host.run({ bundle, wishes: { upgrade: true, credentials: [] } });
  const at_end = submitted.length;
  await waitFor(() => submitted.length > at_end + 4);
  load.abort();
  await loading;

  expect(summary?.version).toBe('9.9.9-test');
  const { nodes } = await callOperation(host.connection, 'nodes', {});
  expect(nodes.map(({ node, version, alive }) => [node, version, alive])).toEqual([
    ['walnut', '9.9.9', true],
  ]);
  for (const [index, task_id] of submitted.entries()) {
    const view = await callOperation(host.connection, 'get', { task_id, wait_ms: 60_000 });
    expect(view, task_id).toMatchObject({ status: 'completed', response: `answer to task ${index}` });
  }
  // The one before stays, to go back to; the one before that goes with the next upgrade.
  const versions = Object.keys(await listing(join(host.home, '.local/share/ccli/versions')));
  expect(versions.filter(path => !path.includes('/')).sort()).toEqual(
    ['', '9.9.9-test', old.replace(/^.*versions\//, '')].sort(),
  );
  const third = otherBundle(await readBundle(), '9.9.10');
  await host.run({ bundle: third, wishes: { upgrade: true, credentials: [] } });
  const left = Object.keys(await listing(join(host.home, '.local/share/ccli/versions')));
  expect(left.filter(path => !path.includes('/')).sort()).toEqual(['', '9.9.10-test', '9.9.9-test']);
});

test.each([
  [
    'does not even start',
    {
      'lib/node-agent/program.mjs': () =>
        'process.stderr.write("broken from the start\\n"); process.exit(3);\n',
    },
    'try',
  ],
  [
    'never advertises',
    {
      'bin/ccli': (text: string) =>
        text.replace('set -u\n', 'set -u\ncase "$*" in "node-agent --config "*) exec sleep 1000 ;; esac\n'),
    },
    'advert',
  ],
])('a new version that %s is taken back, and the old one works on', SLOW, async (_what, changes, step) => {
  const host = await bareHost();
  await host.run();
  const ours = { without: ['.local/state', '.nvm'] };
  const before = await listing(host.home, ours);
  const bundle = otherBundle(await readBundle(), '9.9.9', changes);
  const error = await host
    .run({ bundle, wishes: { upgrade: true, patience_ms: 4_000, credentials: [] } })
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CcliError);
  expect(String(error)).toContain(`Step "${step}" on walnut`);
  expect(String(error)).toContain('walnut is as it was');
  expect(await listing(host.home, ours)).toEqual(before);
  expect(await daemonPid(host.home)).toBeDefined();
  const view = await callOperation(host.connection, 'run', { prompt: 'still there?', wait_ms: 60_000 });
  expect(view).toMatchObject({ status: 'completed', agent_id: 'walnut-gemini' });
});

test('a bootstrap leaves an older version as it is, and says how to replace it', SLOW, async () => {
  const host = await bareHost();
  await host.run();
  const notes: string[] = [];
  const bundle = otherBundle(await readBundle(), '9.9.9');
  const { steps } = await host.run({ bundle, watcher: { note: text => notes.push(text) } });
  expect(notes.join('\n')).toContain('--upgrade');
  expect(steps.find(({ step }) => step === 'upload')?.outcome).toBe('unchanged');
});

test('there is nothing to upgrade on a bare host', SLOW, async () => {
  const host = await bareHost();
  const error = await host.run({ wishes: { upgrade: true } }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'node_not_installed' });
});
