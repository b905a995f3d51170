/** Whether a backup is what its manifest says, before anything is done with it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { CcliError } from '../../protocol/errors.ts';
import type { Names } from '../../protocol/subjects.ts';
import { entryOf, type Manifest, readManifest } from './manifest.ts';
import { PARTS, streamOf } from './parts.ts';

/** @throws CcliError `backup_unusable` naming the file that is not whole, or the prefix that differs. */
export async function readBackup(directory: string, names: Names): Promise<Manifest> {
  const manifest = await readManifest(directory);
  if (manifest.prefix !== names.prefix) {
    throw new CcliError(
      'backup_unusable',
      `The backup is of a fleet with prefix "${manifest.prefix}", and this one has "${names.prefix}"; restore it with --prefix ${manifest.prefix}.`,
    );
  }
  for (const part of PARTS) {
    const { file, bytes, sha256 } = entryOf(manifest, part, streamOf(part, names));
    const found = await measure(join(directory, file));
    if (found.bytes !== bytes) {
      throw new CcliError('backup_unusable', `${file} has ${found.bytes} bytes, and should have ${bytes}.`);
    }
    if (found.sha256 !== sha256) {
      throw new CcliError('backup_unusable', `${file} is not what was written: its hash differs.`);
    }
  }
  return manifest;
}

async function measure(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const piece of createReadStream(file)) {
      const part = piece as Buffer;
      bytes += part.byteLength;
      hash.update(part);
    }
  } catch (cause) {
    throw new CcliError('backup_unusable', `${file} cannot be read.`, { cause });
  }
  return { bytes, sha256: hash.digest('hex') };
}
