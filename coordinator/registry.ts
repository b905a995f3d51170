/**
 * The registry of agents, whole in the memory of every coordinator: loaded at the start, looked at anew when the last
 * sequence of its stream has moved, and changed by compare-and-set. What is loaded or written in turn, never at once.
 *
 * A record that cannot be read, or that a newer ccli wrote, stays where it is: it is passed over with a log, and only
 * an explicit removal ends it.
 */
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { KV, KvEntry } from '@nats-io/kv';
import type { z } from 'zod';
import { encode, WIRE_VERSION } from '../protocol/codec.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import {
  type AgentRegistration,
  AgentRegistrationSchema,
  RegistrationPolicySchema,
} from '../protocol/registration.ts';
import { REGISTRATION_KEY } from '../protocol/subjects.ts';
import type { Desired } from './core/desired.ts';
import {
  type Contents,
  contentsOf,
  desiredOf,
  type Held,
  NOTHING,
  refuseNewer,
  refuseUnreadable,
} from './registry-contents.ts';
import { isTaken } from './store.ts';
import { available, isMissing } from './store-error.ts';

export interface Registry {
  readonly desired: Desired;
  /** Whether agents may be registered. */
  readonly open: boolean;
  /** Loads it. @throws CcliError `store_damaged` when its stream is not there, `store_unavailable` */
  start(): Promise<void>;
  /** Cheap when nothing has changed. @throws CcliError `store_unavailable` */
  refresh(): Promise<void>;
  /**
   * Writes what `decide` makes of the record there is, asked again when another coordinator was faster.
   *
   * @throws CcliError `unsupported_version`, `store_damaged` when the record that stands there cannot be read;
   *   `store_full`, `store_unavailable`; whatever `decide` throws
   */
  put(
    key: string,
    decide: (known: AgentRegistration | undefined) => AgentRegistration,
  ): Promise<AgentRegistration>;
  /** @throws CcliError as `put` would for what stands there */
  refuseUnreadable(key: string): void;
  /** Safe when there is none, or one that cannot be read. @throws CcliError `store_full`, `store_unavailable` */
  remove(key: string): Promise<void>;
  setOpen(open: boolean): Promise<void>;
  /** Makes sure that there is a revision: a node that had one of a store that is lost can only be given another. */
  anchor(): Promise<void>;
}

interface RegistryOptions {
  readonly bucket: KV;
  readonly manager: Pick<JetStreamManager, 'streams'>;
  readonly stream: string;
  readonly onChange: () => void;
  readonly log: Log;
}

/** How often a change is tried anew after another coordinator's came first. */
const TRIES = 8;
const LOAD_LIMIT_MS = 5_000;

export function createRegistry({ bucket, manager, stream, onChange, log }: RegistryOptions): Registry {
  let contents = NOTHING;
  let desired = desiredOf(contents);
  let missing = false;
  let last: Promise<unknown> = Promise.resolve();
  /** Revisions of records that were logged as unreadable. */
  const told = new Set<number>();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };

  const become = (next: Contents): void => {
    contents = next;
    desired = desiredOf(next);
    for (const [key, { revision, problem }] of [
      ...next.agents,
      ...(next.policy === undefined ? [] : [[REGISTRATION_KEY, next.policy] as const]),
    ]) {
      if (problem === undefined || told.has(revision)) continue;
      told.add(revision);
      log.error('registration_unreadable', { key, error_code: problem.code, why: problem.message });
    }
    onChange();
  };

  const info = async (): Promise<StreamInfo | undefined> => {
    const found = await available(
      manager.streams.info(stream).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      }),
    );
    if ((found === undefined) !== missing) {
      missing = found === undefined;
      log[missing ? 'error' : 'info'](missing ? 'registry_missing' : 'registry_is_back');
    }
    return found;
  };

  const load = async ({ created, state }: StreamInfo): Promise<void> => {
    const entries = state.messages === 0 ? [] : await readAll(bucket);
    const newest = entries.reduce((most, { revision }) => Math.max(most, revision), state.last_seq);
    become(contentsOf(entries, created, newest, log));
  };

  const refresh = async (): Promise<void> => {
    const found = await info();
    if (found === undefined) return;
    const { created, state } = found;
    const same = created === contents.created;
    if (same && state.last_seq === contents.revision) return;
    if (!same || state.last_seq < contents.revision) {
      const why = same ? 'it holds less than was seen' : 'it was made anew';
      log.error('registry_replaced', { why, seen: contents.revision, last_seq: state.last_seq });
    }
    await load(found);
  };

  /** After a write of our own, unless others came between: then everything is read again. */
  const wrote = async (revision: number, own: Partial<Contents>): Promise<void> => {
    const next = revision === contents.revision + 1;
    become({ ...contents, ...own, ...(next && { revision }) });
    if (next) return;
    await refresh().catch((error: unknown) => {
      // It is written all the same, and the next turn reads it.
      log.warn('registry_not_read', errorFields(error));
    });
  };

  /** @returns undefined when somebody else's change came first */
  const write = async <T>(
    key: string,
    schema: z.ZodType<T>,
    value: T,
    known: Held<unknown> | undefined,
  ): Promise<number | undefined> => {
    const bytes = encode(schema, value);
    const written =
      known === undefined ? bucket.create(key, bytes) : bucket.update(key, bytes, known.revision);
    return await available(
      written.catch((error: unknown) => {
        if (isTaken(error)) return undefined;
        throw error;
      }),
    );
  };

  const insist = async <T>(attempt: () => Promise<T | undefined>): Promise<T> => {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const done = await attempt();
      if (done !== undefined) return done;
      await refresh();
    }
    throw new CcliError('store_unavailable', 'Others change this registration all the time; try again.');
  };

  const putPolicy = async (open: boolean): Promise<void> => {
    await insist(async () => {
      const known = contents.policy;
      refuseNewer(REGISTRATION_KEY, known?.problem);
      const value = { v: WIRE_VERSION, open };
      const revision = await write(REGISTRATION_KEY, RegistrationPolicySchema, value, known);
      if (revision === undefined) return undefined;
      await wrote(revision, { policy: { revision, value } });
      return true;
    });
  };

  /** What cannot be read may say no. */
  const isOpen = (): boolean => contents.policy === undefined || contents.policy.value?.open === true;

  return {
    get desired() {
      return desired;
    },
    get open() {
      return isOpen();
    },
    start: () =>
      inTurn(async () => {
        const found = await info();
        if (found === undefined)
          throw new CcliError('store_damaged', 'The stream of the registry of agents is not there.');
        await load(found);
      }),
    refresh: () => inTurn(refresh),
    put: (key, decide) =>
      inTurn(() =>
        insist(async () => {
          const known = contents.agents.get(key);
          refuseUnreadable(key, known?.problem);
          const record = decide(known?.value);
          const revision = await write(key, AgentRegistrationSchema, record, known);
          if (revision === undefined) return undefined;
          await wrote(revision, { agents: new Map(contents.agents).set(key, { revision, value: record }) });
          return record;
        }),
      ),
    refuseUnreadable(key) {
      refuseUnreadable(key, contents.agents.get(key)?.problem);
    },
    remove: key =>
      inTurn(async () => {
        await insist(async () => {
          const known = contents.agents.get(key);
          if (known === undefined) return true;
          const removed = await available(
            bucket.delete(key, { previousSeq: known.revision }).then(
              () => true,
              (error: unknown) => {
                if (isTaken(error)) return undefined;
                throw error;
              },
            ),
          );
          if (removed === undefined) return undefined;
          const agents = new Map(contents.agents);
          agents.delete(key);
          // A deletion does not tell the revision it got.
          await wrote(0, { agents });
          return true;
        });
      }),
    setOpen: open =>
      inTurn(async () => {
        if (contents.policy?.value?.open !== open) await putPolicy(open);
      }),
    anchor: () =>
      inTurn(async () => {
        if (contents.revision === 0) await putPolicy(isOpen());
      }),
  };
}

/** Everything there is, removals included. @throws CcliError `store_unavailable` */
async function readAll(bucket: KV): Promise<KvEntry[]> {
  const entries = new Map<string, KvEntry>();
  const watch = await available(bucket.watch());
  const timer = setTimeout(() => {
    watch.stop();
  }, LOAD_LIMIT_MS);
  try {
    for await (const entry of watch) {
      entries.set(entry.key, entry);
      if (entry.delta === 0) return [...entries.values()];
    }
  } finally {
    clearTimeout(timer);
    watch.stop();
  }
  throw new CcliError('store_unavailable', 'The registry of agents does not tell what it holds; try again.');
}
