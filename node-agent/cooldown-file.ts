/** Cooldowns on disk: what a service asked for holds through a restart. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../protocol/daemon/atomic-file.ts';
import { type CooldownCode, restoredMs } from './core/cooldown.ts';
import { replaceDurably } from './durable-file.ts';

/** As a duration: no clock but this host's own is ever asked about it. */
export interface RestoredCooldown {
  readonly code: CooldownCode;
  readonly remaining_ms: number;
}

export interface CooldownFile {
  /** Undefined when there is none, or it is over. */
  load(): Promise<RestoredCooldown | undefined>;
  save(cooldown: RestoredCooldown): Promise<void>;
  /** The agent is no more. */
  remove(): Promise<void>;
}

const RecordSchema = z.object({
  code: z.enum(['rate_limited', 'quota_exhausted', 'model_unavailable']),
  ends_at_ms: z.number(),
  granted_ms: z.number().nonnegative(),
});

export function createCooldownFile(
  state_dir: string,
  agent_id: string,
  wallClock: () => number = Date.now,
): CooldownFile {
  const directory = join(state_dir, 'cooldowns');
  const file = join(directory, `${agent_id}.json`);

  let saving: Promise<void> = Promise.resolve();

  const write = async ({ code, remaining_ms }: RestoredCooldown): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const record = { code, ends_at_ms: wallClock() + remaining_ms, granted_ms: remaining_ms };
    await replaceDurably(file, `${JSON.stringify(record)}\n`);
  };

  /** One after another: two failures at once must not share a draft, and the later one is to stand. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const own = saving.then(work);
    // Whoever asked for it hears of a failure; the next one is not kept from trying.
    saving = own.catch(() => undefined);
    return own;
  };
  const save = (cooldown: RestoredCooldown): Promise<void> => inTurn(() => write(cooldown));

  return {
    save,
    remove: () => inTurn(() => rm(file, { force: true })),
    async load() {
      const record = await readJson(file, RecordSchema);
      if (record === undefined) return undefined;
      const now = wallClock();
      const remaining_ms = restoredMs(record.ends_at_ms, record.granted_ms, now);
      if (remaining_ms === 0) return undefined;
      const restored = { code: record.code, remaining_ms };
      // The clock was set back: from now on it counts from here, or each restart would grant it all again.
      if (record.ends_at_ms - now > remaining_ms) await save(restored);
      return restored;
    },
  };
}
