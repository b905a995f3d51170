/**
 * What a node must still know after it was killed: which attempts it accepted, and each finished result until the
 * report stream has it. One small file an attempt, so that nothing ever needs compacting:
 *
 *     accepted/<task>.<attempt>   the agent it runs on; there from accept until its report is acknowledged
 *     outbox/<task>.<attempt>     the finished report; there from its end until its report is acknowledged
 *     done/<task>.<attempt>       empty; keeps accept idempotent afterwards (the newest `KEEP_PAST` of them)
 *     refused/<task>.<attempt>    empty; cancelled before it arrived (likewise)
 *     epoch                       the highest coordinator epoch seen
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { decode, encode } from '../protocol/codec.ts';
import { CcliError } from '../protocol/errors.ts';
import { MAX_OUTPUT_BYTES } from '../protocol/limits.ts';
import { FinishedReportSchema } from '../protocol/report.ts';
import { TASK_ID_PATTERN } from '../protocol/subjects.ts';

export interface AttemptId {
  readonly task_id: string;
  readonly attempt: number;
}

/** A finished report with its whole text; the text is cut into slices only when it is sent. */
export const OutboxEntrySchema = z.object({
  report: FinishedReportSchema.omit({ text: true }),
  text: z.string().optional(),
});
export type OutboxEntry = z.infer<typeof OutboxEntrySchema>;

const AcceptedSchema = z.object({ agent_id: z.string() });

export interface Recovered {
  /** Finished and not yet acknowledged. */
  readonly outbox: readonly OutboxEntry[];
  /** Accepted, and cut off by the end of the daemon's last life. */
  readonly cut_off: readonly (AttemptId & { readonly agent_id: string })[];
  readonly done: readonly AttemptId[];
  readonly refused: readonly AttemptId[];
  readonly epoch: number;
  /** Files that could not be read, moved aside as `*.damaged`. */
  readonly damaged: readonly string[];
}

export interface Journal {
  recover(): Promise<Recovered>;
  accept(id: AttemptId, agent_id: string): Promise<void>;
  refuse(id: AttemptId): Promise<void>;
  /** On disk, synced, before it resolves. */
  finish(entry: OutboxEntry): Promise<void>;
  /** The stream has acknowledged the report. */
  acknowledge(id: AttemptId): Promise<void>;
  saveEpoch(epoch: number): Promise<void>;
  /** Free bytes where results are kept. */
  room(): Promise<number>;
}

const KEEP_PAST = 10_000;
const DRAFT = '.draft';
const FOLDERS = ['accepted', 'outbox', 'done', 'refused'] as const;
type Folder = (typeof FOLDERS)[number];

const fileName = ({ task_id, attempt }: AttemptId): string => `${task_id}.${attempt}`;

function parseName(name: string): AttemptId | undefined {
  const [, task_id, attempt] = /^([^.]+)\.(\d{1,9})$/.exec(name) ?? [];
  if (task_id === undefined || attempt === undefined || !TASK_ID_PATTERN.test(task_id)) return undefined;
  return { task_id, attempt: Number(attempt) };
}

export function createJournal(directory: string): Journal {
  const path = (folder: Folder, id: AttemptId): string => join(directory, folder, fileName(id));
  const remove = (folder: Folder, id: AttemptId): Promise<void> => rm(path(folder, id), { force: true });

  /** Whole or not there at all, whatever happens meanwhile. */
  const writeDurably = async (target: string, content: Uint8Array): Promise<void> => {
    const draft = `${target}${DRAFT}`;
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, target);
    await syncDirectory(join(target, '..'));
  };

  /** For a file that says enough by being there: one cut short by a crash reads as damaged. */
  const createDurably = async (target: string, content: Uint8Array): Promise<void> => {
    const file = await open(target, 'w', 0o600);
    try {
      await file.writeFile(content);
      await Promise.all([file.datasync(), syncDirectory(join(target, '..'))]);
    } finally {
      await file.close();
    }
  };

  const list = async (folder: Folder): Promise<AttemptId[]> => {
    const found = await readdir(join(directory, folder));
    return found.map(parseName).filter(id => id !== undefined);
  };

  const read = async <T>(
    folder: Folder,
    id: AttemptId,
    schema: z.ZodType<T>,
    damaged: string[],
  ): Promise<T | undefined> => {
    const file = path(folder, id);
    // A disk that cannot be read just now says nothing about what is on it.
    const bytes = await readFile(file);
    try {
      return decode(schema, bytes, MAX_OUTPUT_BYTES * 8);
    } catch (error) {
      if (!(error instanceof CcliError)) throw error;
      // Kept for a person to look at; the attempt then counts as cut off.
      await rename(file, `${file}.damaged`);
      damaged.push(file);
      return undefined;
    }
  };

  /** What is left once only the newest are kept. */
  const prune = async (folder: 'done' | 'refused'): Promise<AttemptId[]> => {
    const found = await list(folder);
    if (found.length <= KEEP_PAST) return found;
    const aged = await Promise.all(
      found.map(async id => ({ id, at: (await stat(path(folder, id))).mtimeMs })),
    );
    aged.sort((a, b) => b.at - a.at);
    await Promise.all(aged.slice(KEEP_PAST).map(({ id }) => remove(folder, id)));
    return aged.slice(0, KEEP_PAST).map(({ id }) => id);
  };

  /** What a write had begun when the daemon was killed. */
  const removeDrafts = async (folder: Folder): Promise<void> => {
    const drafts = (await readdir(join(directory, folder))).filter(name => name.endsWith(DRAFT));
    await Promise.all(drafts.map(name => rm(join(directory, folder, name))));
  };

  return {
    async recover() {
      for (const folder of FOLDERS) {
        await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
        await removeDrafts(folder);
      }
      const damaged: string[] = [];
      const outbox: OutboxEntry[] = [];
      const finished = new Set<string>();
      for (const id of await list('outbox')) {
        const entry = await read('outbox', id, OutboxEntrySchema, damaged);
        if (entry === undefined) continue;
        outbox.push(entry);
        finished.add(fileName(id));
      }
      const done = new Set((await list('done')).map(fileName));
      const cut_off: (AttemptId & { agent_id: string })[] = [];
      for (const id of await list('accepted')) {
        if (finished.has(fileName(id))) continue;
        if (done.has(fileName(id))) {
          // The kill fell into its acknowledgement.
          await remove('accepted', id);
          continue;
        }
        const accepted = await read('accepted', id, AcceptedSchema, damaged);
        cut_off.push({ ...id, agent_id: accepted?.agent_id ?? 'unknown' });
      }
      const epoch = await readEpoch(join(directory, 'epoch'));
      return {
        outbox,
        cut_off,
        done: await prune('done'),
        refused: await prune('refused'),
        epoch,
        damaged,
      };
    },
    accept: (id, agent_id) => createDurably(path('accepted', id), encode(AcceptedSchema, { agent_id })),
    refuse: id => writeFile(path('refused', id), '', { mode: 0o600 }),
    finish: entry =>
      writeDurably(path('outbox', entry.report), encode(OutboxEntrySchema, entry, Number.MAX_SAFE_INTEGER)),
    async acknowledge(id) {
      // `done` first: an attempt is never without a trace.
      await writeFile(path('done', id), '', { mode: 0o600 });
      await remove('outbox', id);
      await remove('accepted', id);
    },
    saveEpoch: epoch => writeDurably(join(directory, 'epoch'), new TextEncoder().encode(String(epoch))),
    async room() {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    },
  };
}

/** 0 before the first; anything else that cannot be read must not lower it. */
async function readEpoch(file: string): Promise<number> {
  try {
    const epoch = Number(await readFile(file, 'utf8'));
    return Number.isSafeInteger(epoch) ? epoch : 0;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
