/** `manifest.json`: what a backup holds, and how to see that it is whole. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { PREFIX_PATTERN } from '../../protocol/subjects.ts';
import { SCHEMA_VERSION } from '../provision.ts';
import { fileOf, PARTS, type Part } from './parts.ts';

/** Of the backup's own layout. */
export const FORMAT = 1;
export const MANIFEST = 'manifest.json';

/** As the server tells them, and wants them back: its to understand. */
const OpaqueSchema = z.record(z.string(), z.unknown());

const PartEntrySchema = z.object({
  part: z.enum(PARTS),
  stream: z.string().min(1),
  file: z.string().min(1),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  config: OpaqueSchema,
  state: OpaqueSchema,
});
export type PartEntry = z.infer<typeof PartEntrySchema>;

export const ManifestSchema = z.object({
  format: z.literal(FORMAT),
  ccli_version: z.string(),
  schema_version: z.int().positive(),
  server_version: z.string(),
  prefix: z.string().regex(PREFIX_PATTERN),
  /** Of the fleet that was backed up; a restore gives the store another one. */
  fleet_id: z.string().optional(),
  created_at: z.iso.datetime(),
  streams: z.array(PartEntrySchema),
});
export type Manifest = z.infer<typeof ManifestSchema>;

/** Read before anything else, so that a newer backup is told as such and not as a broken one. */
const VersionsSchema = z.object({ format: z.int(), schema_version: z.int(), ccli_version: z.string() });

/** @throws CcliError `backup_unusable` */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, MANIFEST);
  let document: unknown;
  try {
    document = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CcliError('backup_unusable', `${directory} is no whole backup: ${MANIFEST} cannot be read.`, {
      cause,
    });
  }
  const versions = VersionsSchema.safeParse(document);
  if (versions.success) refuseNewer(versions.data);
  const manifest = ManifestSchema.safeParse(document);
  if (!manifest.success) {
    throw new CcliError('backup_unusable', `${path} is not what \`ccli backup\` writes.`, {
      cause: manifest.error,
    });
  }
  return manifest.data;
}

function refuseNewer({ format, schema_version, ccli_version }: z.infer<typeof VersionsSchema>): void {
  if (format <= FORMAT && schema_version <= SCHEMA_VERSION) return;
  throw new CcliError(
    'backup_unusable',
    `The backup was made by ccli ${ccli_version}, which is newer than this one; upgrade ccli here, then restore.`,
  );
}

/** @throws CcliError `backup_unusable` when the manifest does not name the part, or names something else by it. */
export function entryOf({ streams }: Manifest, part: Part, stream: string): PartEntry {
  const [entry, ...more] = streams.filter(candidate => candidate.part === part);
  const fits = entry?.stream === stream && entry.file === fileOf(part) && entry.config['name'] === stream;
  if (entry !== undefined && fits && more.length === 0) return entry;
  throw new CcliError('backup_unusable', `The backup's manifest does not describe ${stream} as it should.`);
}
