/** From a bare host to a member of the fleet and back, over a real sshd. */
import { beforeEach, expect, test } from 'vitest';
import { bareHost } from '../support/bare-host.ts';
import { callOperation } from '../support/fleet.ts';
import { listing } from '../support/listing.ts';
import { findSshd } from '../support/sshd.ts';

const needs_sshd = (await findSshd()) === undefined;
beforeEach(({ skip }) => {
  if (needs_sshd) skip('needs sshd: a host is bootstrapped over a real one');
});

test('a bare host answers a prompt, a repeat changes nothing, and an uninstall leaves what was there before', {
  timeout: 180_000,
}, async () => {
  const host = await bareHost();
  const bare = await listing(host.home);

  const first = await host.bootstrap('--gemini-api-key-file', host.key_file);
  expect(first.err).toContain('walnut-gemini answers');
  expect(first.code).toBe(0);
  expect(first.out).toMatch(/node\s+walnut/);
  expect(first.out).toContain('hosts: {walnut: "walnut"}');
  const view = await callOperation(host.connection, 'run', { prompt: 'hello', wait_ms: 60_000 });
  expect(view).toMatchObject({ status: 'completed', agent_id: 'walnut-gemini' });
  expect(view.response).toContain('hello');

  const ours = { times: true, without: ['.local/state', '.nvm'] };
  const before = await listing(host.home, ours);
  const prompts = host.stub.requests.length;
  const repeat = await host.bootstrap('--gemini-api-key-file', host.key_file);
  expect(repeat.code, repeat.err).toBe(0);
  expect(await listing(host.home, ours)).toEqual(before);
  for (const step of ['upload', 'configure', 'try', 'switch', 'start', 'advert', 'canary'])
    expect(repeat.err).toMatch(new RegExp(`= ${step}\\s+unchanged`));
  expect(host.stub.requests.length).toBe(prompts);

  const removed = await host.bootstrap('--uninstall');
  expect(removed.code, removed.err).toBe(0);
  expect(await listing(host.home)).toEqual(bare);
});
