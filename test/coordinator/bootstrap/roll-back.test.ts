import { expect, test } from 'vitest';
import { rollBack } from '../../../coordinator/bootstrap/roll-back.ts';
import { rolledBackError } from '../../../coordinator/bootstrap/rolled-back-error.ts';
import type { Shell } from '../../../coordinator/bootstrap/shell.ts';
import { createChanges } from '../../../coordinator/bootstrap/undo.ts';
import { CcliError } from '../../../protocol/errors.ts';

/** A host that answers `:`, and nothing else is asked of it. */
const shell: Shell = {
  host: 'walnut',
  signal: new AbortController().signal,
  run: () => Promise.resolve(''),
  ask: () => Promise.reject(new Error('not asked')),
  under: () => shell,
};
const options = { shell, patience_ms: 5_000, relock: () => Promise.resolve(), tell: () => undefined };

test('what was done is taken back in reverse, and what must come last does', async () => {
  const changes = createChanges();
  const undone: string[] = [];
  const undo = (what: string) => () => {
    undone.push(what);
    return Promise.resolve();
  };
  changes.note('one', undo('one'));
  changes.noteLast('start again', undo('start again'));
  changes.note('two', undo('two'));
  expect(await rollBack({ ...options, changes })).toEqual({ left: [] });
  expect(undone).toEqual(['two', 'one', 'start again']);
});

test('a line that breaks meanwhile is waited for; another failure is told, and the rest goes on', async () => {
  const changes = createChanges();
  let tries = 0;
  changes.note('the first', () => {
    tries += 1;
    return tries < 3 ? Promise.reject(new CcliError('ssh_connection_lost')) : Promise.resolve();
  });
  changes.note('the stubborn', () => Promise.reject(new CcliError('permission_denied', 'no')));
  const { left } = await rollBack({ ...options, changes });
  expect(tries).toBe(3);
  expect(left.map(({ what }) => what)).toEqual(['the stubborn']);
});

test('the error names the step, the cause, and how the host is now', () => {
  const error = new CcliError('disk_full', 'No room.');
  const failed = { host: 'walnut', step: 'upload', error, changed: true, left: [] } as const;
  expect(rolledBackError(failed)).toMatchObject({
    code: 'disk_full',
    message: 'Step "upload" on walnut: No room. What was done is taken back: walnut is as it was.',
  });
  const words = new CcliError('ssh_config_unsupported', 'no such file');
  expect(rolledBackError({ ...failed, error: words, changed: false }).message).toBe(
    'Step "upload" on walnut: no such file. Nothing was changed on walnut.',
  );
  const gone = new CcliError('ssh_unreachable', 'gone');
  const left = ['/home/a/x', '/home/a/x/y', 'the unit', '/home/a/x'].map(what => ({ what, error: gone }));
  expect(rolledBackError({ ...failed, error: new Error('boom'), left })).toMatchObject({
    code: 'bootstrap_failed',
    message: expect.stringContaining('look at /home/a/x, the unit on walnut') as string,
  });
});
