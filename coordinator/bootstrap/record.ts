/**
 * What ccli has put on a host, kept there: by it a repeated bootstrap tells its own work from that of an operator, and an
 * uninstall leaves what was there before.
 */
import { z } from 'zod';
import { NameSchema } from '../../protocol/agent.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { HostPaths } from './paths.ts';
import { placeFile, writeWhole } from './place.ts';
import { quote, type Shell } from './shell.ts';
import type { Changes } from './undo.ts';

export const SERVICE_KINDS = ['system', 'user', 'process'] as const;
const ServiceKindSchema = z.enum(SERVICE_KINDS);
export type ServiceKind = z.infer<typeof ServiceKindSchema>;

const RecordSchema = z.object({
  v: z.literal(1),
  node: NameSchema,
  service: ServiceKindSchema.optional(),
  /** Lingering was off before. */
  enabled_linger: z.boolean().default(false),
  /** The version that runs, and the one before it. */
  version: z.string().optional(),
  previous: z.string().optional(),
  /** Made by ccli, the outermost first. */
  directories: z.array(z.string()).default([]),
  /** Placed by ccli, with the SHA-256 of what it wrote; of what is a link, its target. */
  files: z.record(z.string(), z.string()).default({}),
  /** The same, where only root may write. */
  root_directories: z.array(z.string()).default([]),
  root_files: z.record(z.string(), z.string()).default({}),
  state_dir: z.string().optional(),
});
export type InstallationRecord = z.infer<typeof RecordSchema>;

const EMPTY: InstallationRecord = RecordSchema.parse({ v: 1, node: 'node' });

/** Undefined on a host without one. @throws CcliError `host_not_ready` when it cannot be understood */
export async function readRecord(shell: Shell, paths: HostPaths): Promise<InstallationRecord | undefined> {
  const text = await shell.run(`if [ -e ${quote(paths.record)} ]; then cat ${quote(paths.record)}; fi`);
  if (text.trim() === '') return undefined;
  try {
    return RecordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CcliError(
      'host_not_ready',
      `${paths.record} on ${shell.host} cannot be read: it was written by a newer ccli, or damaged. Use that ccli, or move the file away.`,
      { cause },
    );
  }
}

export interface RecordKeeper {
  readonly now: InstallationRecord;
  /** Whether the host had one when the run began. */
  readonly found: boolean;
  /** What every later update also says; writes nothing by itself. */
  assume(change: Partial<InstallationRecord>): void;
  /** On the host before it resolves, when it says anything new. */
  update(change: Partial<InstallationRecord>): Promise<void>;
}

interface KeeperOptions {
  readonly found: InstallationRecord | undefined;
  readonly shell: Shell;
  readonly paths: HostPaths;
  readonly changes: Changes;
  readonly undo_directory: string;
}

export function keepRecord({ found, shell, paths, changes, undo_directory }: KeeperOptions): RecordKeeper {
  let now = found ?? EMPTY;
  let written = found === undefined ? undefined : serialize(found);
  let noted = false;
  return {
    found: found !== undefined,
    get now() {
      return now;
    },
    assume(change) {
      now = { ...now, ...change };
    },
    async update(change) {
      now = { ...now, ...change };
      const content = serialize(now);
      if (content === written) return;
      const file = { path: paths.record, content, mode: 0o600 };
      // The first one is taken back to what was there before the run; the later ones only change it again.
      if (noted) await writeWhole(shell, file);
      else await placeFile({ shell, changes, undo_directory }, file);
      noted = true;
      written = content;
    },
  };
}

const serialize = (record: InstallationRecord): string => `${JSON.stringify(record, null, 2)}\n`;
