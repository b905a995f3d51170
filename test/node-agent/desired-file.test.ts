import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDesiredFile } from '../../node-agent/desired-file.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { failure } from './drivers/fixture.ts';

test('the desired state is what was saved last, and unknown before', async () => {
  const file = createDesiredFile(await temporaryDirectory());
  expect(await file.load()).toBeUndefined();
  const desired = { fleet_id: 'f1', revision: 7, agents: { one: { enabled: false } } };
  await file.save({ ...desired, revision: 6 });
  await file.save(desired);
  expect(await file.load()).toMatchObject(desired);
});

test.each([
  ['cut short', '{"v":1,"fleet', 'invalid_request'],
  ['of something else', '{"v":1}', 'invalid_request'],
  ['of a newer version', '{"v":99,"fleet_id":"f1","revision":1,"agents":{}}', 'unsupported_version'],
])('a file %s is told by a code', async (_what, text, code) => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'desired.json'), text);
  expect((await failure(createDesiredFile(directory).load())).code).toBe(code);
});
