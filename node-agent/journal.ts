/**
 * What a node must still know after it was killed: which attempts it accepted, and each finished result until the
 * report stream has it. One small file an attempt, so that nothing ever needs compacting:
 *
 *     accepted/<task>.<attempt>   the agent it runs on; there from accept until its report is acknowledged
 *     outbox/<task>.<attempt>     the finished report; there from its end until its report is acknowledged
 *     done/<task>.<attempt>       `seq`, or empty; keeps accept idempotent afterwards (the newest `KEEP_PAST` of them)
 *     refused/<task>.<attempt>    `seq`, or empty; cancelled before it arrived (likewise)
 *     epoch                       which coordinator is obeyed: `fleet_id`, `epoch`, `former` (once a plain number)
 */
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { decode, encode } from '../protocol/codec.ts';
import { CcliError } from '../protocol/errors.ts';
import { MAX_OUTPUT_BYTES } from '../protocol/limits.ts';
import { FinishedReportSchema } from '../protocol/report.ts';
import { TASK_ID_PATTERN } from '../protocol/subjects.ts';
import { createDurably, DRAFT, replaceDurably } from './durable-file.ts';
import type { FenceRecord } from './epoch.ts';

export interface AttemptId {
  readonly task_id: string;
  readonly attempt: number;
  /** Which task of this id it is, as its request said; only that one's, where it is known. */
  readonly seq?: number | undefined;
}

/** A finished report with its whole text; the text is cut into slices only when it is sent. */
export const OutboxEntrySchema = z.object({
  report: FinishedReportSchema.omit({ text: true }),
  text: z.string().optional(),
});
export type OutboxEntry = z.infer<typeof OutboxEntrySchema>;

const AcceptedSchema = z.object({ agent_id: z.string(), seq: z.int().nonnegative().optional() });

const MarkSchema = z.object({ seq: z.int().nonnegative() });

const FenceRecordSchema = z.object({
  fleet_id: z.string().optional(),
  epoch: z.int().nonnegative(),
  former: z.array(z.string()),
  forget: z.boolean().optional(),
});
/** Before fleets had names, the file held their epoch alone. */
const EpochFileSchema = z.union([
  FenceRecordSchema,
  z
    .int()
    .nonnegative()
    .transform(epoch => ({ epoch, former: [] })),
]);

/** What is remembered of an attempt that is over. */
export type PastPhase = 'done' | 'refused';

export interface Recovered {
  /** Finished and not yet acknowledged, the oldest first. Read one by one: together they may be larger than memory. */
  readonly outbox: readonly AttemptId[];
  /** Accepted, and cut off by the end of the daemon's last life. */
  readonly cut_off: readonly (AttemptId & { readonly agent_id: string })[];
  /** The oldest first, as in `refused`. */
  readonly done: readonly AttemptId[];
  readonly refused: readonly AttemptId[];
  readonly fence: FenceRecord;
  /** Files that could not be read, moved aside as `*.damaged`. */
  readonly damaged: readonly string[];
}

export interface Journal {
  recover(): Promise<Recovered>;
  accept(id: AttemptId, agent_id: string): Promise<void>;
  /** An accepted attempt that came to nothing before it began. */
  withdraw(id: AttemptId): Promise<void>;
  /** On disk, synced, before it resolves, as in `accept` and `finish`. */
  refuse(id: AttemptId): Promise<void>;
  finish(entry: OutboxEntry): Promise<void>;
  /** What `finish` wrote; undefined when it is damaged, and was moved aside. */
  load(id: AttemptId): Promise<OutboxEntry | undefined>;
  /** The stream has acknowledged the report. */
  acknowledge(id: AttemptId): Promise<void>;
  /** An attempt of long ago. */
  forget(phase: PastPhase, id: AttemptId): Promise<void>;
  /** `seq` of an attempt that is over, where it was written down. */
  seqOf(phase: PastPhase, id: AttemptId): Promise<number | undefined>;
  /** All attempts that are over. */
  forgetAll(): Promise<void>;
  saveFence(record: FenceRecord): Promise<void>;
  /** Free bytes where results are kept. */
  room(): Promise<number>;
}

/** How many past attempts of a phase are remembered. */
export const KEEP_PAST = 10_000;
/** Files looked at together. */
const AT_ONCE = 64;
const FOLDERS = ['accepted', 'outbox', 'done', 'refused'] as const;
type Folder = (typeof FOLDERS)[number];

/** Its name on disk, and its key in memory. */
export const attemptKey = ({ task_id, attempt }: AttemptId): string => `${task_id}.${attempt}`;

function parseName(name: string): AttemptId | undefined {
  const [, task_id, attempt] = /^([^.]+)\.(\d{1,9})$/.exec(name) ?? [];
  if (task_id === undefined || attempt === undefined || !TASK_ID_PATTERN.test(task_id)) return undefined;
  return { task_id, attempt: Number(attempt) };
}

export function createJournal(directory: string): Journal {
  const path = (folder: Folder, id: AttemptId): string => join(directory, folder, attemptKey(id));
  const remove = (folder: Folder, id: AttemptId): Promise<void> => rm(path(folder, id), { force: true });

  const list = async (folder: Folder): Promise<AttemptId[]> => {
    const found = await readdir(join(directory, folder));
    return found.map(parseName).filter(id => id !== undefined);
  };

  /** Undefined when the file is not what was written: it is moved aside for a person to look at. */
  const read = async <T>(folder: Folder, id: AttemptId, schema: z.ZodType<T>): Promise<T | undefined> => {
    const file = path(folder, id);
    // A disk that cannot be read just now says nothing about what is on it.
    const bytes = await readFile(file);
    try {
      return decode(schema, bytes, MAX_OUTPUT_BYTES * 8);
    } catch (error) {
      if (!(error instanceof CcliError)) throw error;
      await rename(file, `${file}.damaged`);
      return undefined;
    }
  };

  const byAge = async (folder: Folder): Promise<AttemptId[]> => {
    const aged = await inTurns(await list(folder), async id => ({
      id,
      at: (await stat(path(folder, id))).mtimeMs,
    }));
    return aged.sort((a, b) => a.at - b.at).map(({ id }) => id);
  };

  /** What is left once only the newest are kept. */
  const prune = async (folder: PastPhase): Promise<AttemptId[]> => {
    const found = await byAge(folder);
    const surplus = Math.max(found.length - KEEP_PAST, 0);
    await inTurns(found.slice(0, surplus), id => remove(folder, id));
    return found.slice(surplus);
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
      const outbox = await byAge('outbox');
      const finished = new Set(outbox.map(attemptKey));
      const done = new Set((await list('done')).map(attemptKey));
      const damaged: string[] = [];
      const cut_off: (AttemptId & { agent_id: string })[] = [];
      for (const id of await list('accepted')) {
        if (finished.has(attemptKey(id))) continue;
        if (done.has(attemptKey(id))) {
          // The kill fell into its acknowledgement.
          await remove('accepted', id);
          continue;
        }
        const accepted = await read('accepted', id, AcceptedSchema);
        if (accepted === undefined) damaged.push(path('accepted', id));
        cut_off.push({ ...id, agent_id: accepted?.agent_id ?? 'unknown', seq: accepted?.seq });
      }
      const fence = await readFence(join(directory, 'epoch'));
      return { outbox, cut_off, done: await prune('done'), refused: await prune('refused'), fence, damaged };
    },
    accept: (id, agent_id) =>
      createDurably(path('accepted', id), encode(AcceptedSchema, { agent_id, seq: id.seq })),
    withdraw: id => remove('accepted', id),
    refuse: id => createDurably(path('refused', id), markOf(id)),
    finish: entry =>
      replaceDurably(path('outbox', entry.report), encode(OutboxEntrySchema, entry, Number.MAX_SAFE_INTEGER)),
    load: id => read('outbox', id, OutboxEntrySchema),
    async acknowledge(id) {
      // `done` first: an attempt is never without a trace.
      await writeFile(path('done', id), markOf(id), { mode: 0o600 });
      await remove('outbox', id);
      await remove('accepted', id);
    },
    forget: (phase, id) => remove(phase, id),
    async seqOf(phase, id) {
      const content = await readIfThere(path(phase, id));
      return MarkSchema.safeParse(parseJson(content ?? '')).data?.seq;
    },
    async forgetAll() {
      for (const phase of ['done', 'refused'] as const)
        await inTurns(await list(phase), id => remove(phase, id));
    },
    saveFence: record => replaceDurably(join(directory, 'epoch'), JSON.stringify(record)),
    async room() {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    },
  };
}

/** None before the first request; anything else that cannot be read must not lower it. */
async function readFence(file: string): Promise<FenceRecord> {
  const none: FenceRecord = { epoch: 0, former: [] };
  return EpochFileSchema.safeParse(parseJson((await readIfThere(file)) ?? '')).data ?? none;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const markOf = ({ seq }: AttemptId): string => (seq === undefined ? '' : JSON.stringify({ seq }));

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Empty, cut short by a crash, or not of our writing.
    return undefined;
  }
}

/** A few at a time: a folder may hold many thousands. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE)
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  return results;
}
