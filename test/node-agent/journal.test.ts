import { access, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createJournal, type OutboxEntry } from '../../node-agent/journal.ts';
import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const id = { task_id: 't1', attempt: 1 };
const entry = (text: string | undefined, attempt = 1): OutboxEntry => ({
  report: {
    v: 1,
    node: 'walnut',
    instance_id: 'i1',
    task_id: 't1',
    attempt,
    kind: 'finished',
    outcome: text === undefined ? 'cancelled' : 'completed',
    completeness: 'whole',
    run_ms: 1.5,
    warm: true,
  },
  ...(text !== undefined && { text }),
});

const NOTHING = {
  outbox: [],
  cut_off: [],
  done: [],
  refused: [],
  fence: { epoch: 0, former: [] },
  damaged: [],
};

/** A journal as one life of the daemon uses it; `next` is the life after a kill. */
async function life(directory?: string) {
  const path = directory ?? join(await temporaryDirectory(), 'state', 'journal');
  const journal = createJournal(path);
  const recovered = await journal.recover();
  return { path, journal, recovered, next: async () => (await life(path)).recovered };
}

describe('after a kill the journal knows', () => {
  test('nothing, at the very first start', async () => {
    const { recovered, next } = await life();
    expect(recovered).toEqual(NOTHING);
    expect(await next()).toEqual(NOTHING);
  });

  test('an accepted attempt as cut off', async () => {
    const { journal, next } = await life();
    await journal.accept(id, 'walnut-gemini');
    expect(await next()).toEqual({ ...NOTHING, cut_off: [{ ...id, agent_id: 'walnut-gemini' }] });
  });

  test('a finished attempt with its whole result, however long', async () => {
    const { journal, next } = await life();
    const whole = entry('🚀\u0000\ud800'.repeat(MAX_MESSAGE_BYTES / 4));
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(whole);
    expect(await next()).toEqual({ ...NOTHING, outbox: [id] });
    const loaded = await journal.load(id);
    expect(loaded?.report).toEqual(whole.report);
    expect(loaded?.text === whole.text).toBe(true);
  });

  test('an acknowledged attempt as done, and nothing more of it', async () => {
    const { journal, next, path } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(entry('4'));
    await journal.acknowledge(id);
    expect(await next()).toEqual({ ...NOTHING, done: [id] });
    expect(await readdir(join(path, 'outbox'))).toEqual([]);
    expect(await readdir(join(path, 'accepted'))).toEqual([]);
  });

  test('an attempt as sent or to be sent again when the kill fell into its acknowledgement', async () => {
    const { journal, next, path } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(entry(undefined));
    await writeFile(join(path, 'done', 't1.1'), '');
    expect(await next()).toEqual({ ...NOTHING, outbox: [id], done: [id] });
  });

  test('an attempt as done when the kill fell between the last two steps of its acknowledgement', async () => {
    const { journal, next, path } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(entry('4'));
    await journal.acknowledge(id);
    await journal.accept(id, 'walnut-gemini');
    expect(await next()).toEqual({ ...NOTHING, done: [id] });
    expect(await readdir(join(path, 'accepted'))).toEqual([]);
  });

  test('an attempt that was refused before it came', async () => {
    const { journal, next } = await life();
    await journal.refuse(id);
    expect(await next()).toEqual({ ...NOTHING, refused: [id] });
  });

  test('which task of its id an attempt was of, as far as it was told', async () => {
    const { journal, next } = await life();
    const of = (attempt: number, seq?: number) => ({ ...id, attempt, seq });
    await journal.accept(of(1, 7), 'walnut-gemini');
    expect((await next()).cut_off).toEqual([{ ...of(1, 7), agent_id: 'walnut-gemini' }]);
    await journal.acknowledge(of(1, 7));
    await journal.acknowledge(of(2));
    await journal.refuse(of(3, 8));
    expect(await journal.seqOf('done', of(1))).toBe(7);
    expect(await journal.seqOf('done', of(2))).toBeUndefined();
    expect(await journal.seqOf('refused', of(3))).toBe(8);
    expect(await journal.seqOf('refused', of(1))).toBeUndefined();
  });

  test('each attempt of a task by itself', async () => {
    const { journal, next } = await life();
    await journal.finish(entry('one', 1));
    await journal.acknowledge(id);
    await journal.finish(entry('two', 2));
    await journal.accept({ ...id, attempt: 3 }, 'walnut-gemini');
    expect(await next()).toEqual({
      ...NOTHING,
      outbox: [{ ...id, attempt: 2 }],
      cut_off: [{ ...id, attempt: 3, agent_id: 'walnut-gemini' }],
      done: [id],
    });
  });

  test('the last fence that was saved', async () => {
    const { journal, next } = await life();
    await journal.saveFence({ fleet_id: 'a', epoch: 7, former: [], forget: true });
    const last = { fleet_id: 'b', epoch: 2, former: ['a'] };
    await journal.saveFence(last);
    expect((await next()).fence).toEqual(last);
  });

  test('the epoch that a version without fleets wrote', async () => {
    const { path, next } = await life();
    await writeFile(join(path, 'epoch'), '12');
    expect((await next()).fence).toEqual({ epoch: 12, former: [] });
  });

  test('nothing of an attempt that was withdrawn before it began', async () => {
    const { journal, next } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.withdraw(id);
    expect(await next()).toEqual(NOTHING);
  });

  test('what still runs and what is still to be sent, once all that is over was forgotten', async () => {
    const { journal, next } = await life();
    await journal.accept({ ...id, attempt: 4 }, 'walnut-gemini');
    await journal.finish(entry('three', 3));
    await journal.acknowledge(id);
    await journal.refuse({ ...id, attempt: 2 });
    await journal.forgetAll();
    const { outbox, cut_off, done, refused } = await next();
    expect({ outbox, done, refused }).toEqual({ outbox: [{ ...id, attempt: 3 }], done: [], refused: [] });
    expect(cut_off).toMatchObject([{ attempt: 4 }]);
  });

  test('the same after every further kill', async () => {
    const { journal, next } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(entry('4'));
    expect(await next()).toEqual(await next());
  });
});

describe('a damaged file', () => {
  test('of an accepted attempt is moved aside, and the attempt counts as cut off', async () => {
    const { journal, next, path } = await life();
    await journal.accept(id, 'walnut-gemini');
    await writeFile(join(path, 'accepted', 't1.1'), '{"agent');
    expect(await next()).toEqual({
      ...NOTHING,
      cut_off: [{ ...id, agent_id: 'unknown' }],
      damaged: [join(path, 'accepted', 't1.1')],
    });
    expect(await readFile(join(path, 'accepted', 't1.1.damaged'), 'utf8')).toBe('{"agent');
    expect((await next()).damaged).toEqual([]);
  });

  test('of a result is moved aside when it is read, and the attempt counts as cut off', async () => {
    const { journal, next, path } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(entry('4'));
    await writeFile(join(path, 'outbox', 't1.1'), '');
    expect(await next()).toMatchObject({ outbox: [id], cut_off: [] });
    expect(await journal.load(id)).toBeUndefined();
    await access(join(path, 'outbox', 't1.1.damaged'));
    expect(await next()).toMatchObject({ outbox: [], cut_off: [id] });
  });

  test.each(['', 'x', '1e99', '7.5', '{"epoch":-1,"former":[]}'])(
    'of the epoch (%j) counts as none',
    async content => {
      const { next, path } = await life();
      await writeFile(join(path, 'epoch'), content);
      expect((await next()).fence).toEqual({ epoch: 0, former: [] });
    },
  );

  test.each(['README', 't1', 't1.x', '.1', 'a b.1', `${'t'.repeat(65)}.1`])(
    'that is none of ours (%s) is left alone',
    async name => {
      const { next, path } = await life();
      for (const folder of ['accepted', 'outbox', 'done', 'refused'])
        await writeFile(join(path, folder, name), '?');
      expect(await next()).toEqual(NOTHING);
      await access(join(path, 'outbox', name));
    },
  );

  test.each(['outbox', 'accepted'] as const)(
    'in %s that cannot be read just now is left where it is',
    async folder => {
      const { journal, next, path } = await life();
      // A directory fails to be read as a failing disk does: with an error of the system.
      await mkdir(join(path, folder, 't1.1'));
      await expect(folder === 'outbox' ? journal.load(id) : next()).rejects.toThrow('EISDIR');
      expect(await readdir(join(path, folder))).toEqual(['t1.1']);
    },
  );

  test('that holds the epoch and cannot be read just now does not count as none', async () => {
    const { next, path } = await life();
    await mkdir(join(path, 'epoch'));
    await expect(next()).rejects.toThrow('EISDIR');
  });

  test('that a kill left half written is removed', async () => {
    const { next, path } = await life();
    await writeFile(join(path, 'outbox', 't1.1.draft'), '{"report":');
    expect(await next()).toEqual(NOTHING);
    expect(await readdir(join(path, 'outbox'))).toEqual([]);
  });
});

describe('the journal', () => {
  test.each(['done', 'refused'] as const)('forgets the oldest of very many that are %s', async folder => {
    const { next, path } = await life();
    const names = Array.from({ length: 10_003 }, (_, index) => join(path, folder, `t${index}.1`));
    for (const name of names) await writeFile(name, '');
    const old = new Date(Date.now() - 3_600_000);
    for (const name of names.slice(0, 3)) await utimes(name, old, old);
    const younger = new Date(Date.now() - 60_000);
    await utimes(join(path, folder, 't3.1'), younger, younger);
    const kept = (await next())[folder].map(({ task_id }) => task_id);
    expect(kept).toHaveLength(10_000);
    expect(kept).not.toEqual(expect.arrayContaining(['t0']));
    expect(kept.at(0)).toBe('t3');
    expect(await readdir(join(path, folder))).toHaveLength(10_000);
  });

  test('tells how much room there is for results', async () => {
    const { journal } = await life();
    expect(await journal.room()).toBeGreaterThan(0);
  });

  test('lets nobody else read what it keeps', async () => {
    const { journal, path } = await life();
    await journal.accept(id, 'walnut-gemini');
    await journal.finish(entry('secret'));
    const modes = await Promise.all(
      ['outbox', 'accepted', 'outbox/t1.1'].map(name => stat(join(path, name))),
    );
    expect(modes.map(({ mode }) => mode & 0o077)).toEqual([0, 0, 0]);
  });

  test('rejects when its directory cannot be written, rather than lose a result', async () => {
    const { journal, path } = await life();
    await mkdir(join(path, 'outbox', 't1.1.draft'));
    await expect(journal.finish(entry('4'))).rejects.toThrow();
  });
});
