import { describe, expect, test } from 'vitest';
import { type Check, runChecks } from '../../../protocol/daemon/checks.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { fail, ok, skipped, warn } from '../../../protocol/finding.ts';

const check = (id: string, over: Partial<Check<null>> = {}): Check<null> => ({
  id,
  title: `the ${id}`,
  limit_ms: 60_000,
  run: () => Promise.resolve([ok(`${id} is well`)]),
  ...over,
});
const never = (): Promise<never> => new Promise(() => undefined);
const patient = new AbortController().signal;

describe('a suite of checks', () => {
  test('tells what each found, in the order of the checks and not of their ends', async () => {
    let free = (): void => undefined;
    const held = new Promise<void>(resolve => {
      free = resolve;
    });
    const found = await runChecks(
      [
        check('first', { run: () => held.then(() => [ok('late'), warn('really', 'wait')]) }),
        check('second', {
          run: () => {
            free();
            return Promise.resolve([ok('early', { check: 'by_its_own_name' })]);
          },
        }),
      ],
      null,
      { signal: patient },
    );
    expect(found.map(({ check: id, says }) => [id, says])).toEqual([
      ['first', 'late'],
      ['first', 'really'],
      ['by_its_own_name', 'early'],
    ]);
  });

  test('one that crashes is a failure that says why, and never the end of the others', async () => {
    const found = await runChecks(
      [
        check('broken', { run: () => Promise.reject(new TypeError('no such property')) }),
        check('known', { run: () => Promise.reject(new CcliError('nats_refused')) }),
        check('thrown', {
          run: () => {
            throw new CcliError('disk_full');
          },
        }),
        check('well'),
      ],
      null,
      { signal: patient },
    );
    expect(found).toMatchObject(
      [
        { check: 'broken', outcome: 'fail', code: 'internal', says: /no such property/ },
        { check: 'known', outcome: 'fail', code: 'nats_refused' },
        { check: 'thrown', outcome: 'fail', code: 'disk_full' },
        { check: 'well', outcome: 'ok' },
      ].map(one => ('says' in one ? { ...one, says: expect.stringMatching(one.says) as string } : one)),
    );
    for (const { outcome, mend } of found) if (outcome === 'fail') expect(mend).toBeTruthy();
  });

  test('one that hangs and does not listen is left behind once its time is over', async () => {
    const found = await runChecks(
      [
        check('deaf', { limit_ms: 1, run: never, late: 'ssh_timeout' }),
        check('mute', { limit_ms: 1, run: never }),
      ],
      null,
      { signal: patient },
    );
    expect(found).toMatchObject([
      { check: 'deaf', outcome: 'fail', code: 'ssh_timeout', says: 'The deaf did not end within 1 s.' },
      { check: 'mute', outcome: 'fail' },
    ]);
  });

  test('one is not begun unless what it needs has found nothing broken', async () => {
    const found = await runChecks(
      [
        check('door', { run: () => Promise.resolve([fail('shut', 'open it')]) }),
        check('gate', { run: () => Promise.resolve([warn('ajar', 'close it')]) }),
        check('room', { needs: ['door'], run: never }),
        check('cupboard', { needs: ['room'], run: never }),
        check('garden', { needs: ['gate'] }),
        check('closed', { run: () => Promise.resolve([skipped('nobody is there')]) }),
        check('beyond', { needs: ['closed'], run: never }),
      ],
      null,
      { signal: patient },
    );
    expect(found.map(({ check: id, outcome }) => [id, outcome])).toEqual([
      ['door', 'fail'],
      ['gate', 'warn'],
      ['room', 'skipped'],
      ['cupboard', 'skipped'],
      ['garden', 'ok'],
      ['closed', 'skipped'],
      ['beyond', 'skipped'],
    ]);
    expect(found[2]?.says).toContain('door');
  });

  test('an interrupt keeps what is known, and skips what has not ended or begun', async () => {
    const interrupt = new AbortController();
    const told: string[] = [];
    const found = await runChecks(
      [
        check('known'),
        check('slow', {
          needs: ['known'],
          run: () => {
            interrupt.abort();
            return never();
          },
        }),
        check('next', { needs: ['slow'] }),
      ],
      null,
      { signal: interrupt.signal, onStart: title => told.push(title) },
    );
    expect(found.map(({ outcome }) => outcome)).toEqual(['ok', 'skipped', 'skipped']);
    expect(found[1]?.says).toContain('Interrupted');
    expect(told).toEqual(['the known', 'the slow']);
  });
});
