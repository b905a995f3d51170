/** What `ccli bootstrap` refuses before it goes to any host. */
import { expect, test } from 'vitest';
import { ccli } from './support/fake-io.ts';

test.each([
  [['--upgrade', '--uninstall'], 'Either --upgrade or --uninstall'],
  [['ironwood', '--node', 'one'], '--node names one host'],
  [['--keep-state'], 'belong to --uninstall'],
  [['--node-version', ''], 'is no version of Node'],
  [['--node-version', '22; true'], 'is no version of Node'],
  [['--service', 'docker'], 'Allowed choices'],
  [['--gemini-api-key-file', '/nonexistent/key'], 'cannot be read'],
  [['--config', '/nonexistent/node-agent.yaml'], 'cannot be read'],
])('refuses %j, and says why', async (flags, says) => {
  const { code, err } = await ccli(['bootstrap', 'walnut', ...flags]);
  expect(code).toBe(2);
  expect(err).toContain(says);
  expect(err).not.toContain('connect ');
});
