/** A bundle of another version: the one that was built, with some of its files changed. */
import { createHash } from 'node:crypto';
import type { Bundle } from '../../coordinator/bundle/bundle.ts';

type Change = (text: string) => string;

export function otherBundle(
  bundle: Bundle,
  version: string,
  changes: Readonly<Record<string, Change>> = {},
): Bundle {
  const all: Readonly<Record<string, Change>> = {
    'package.json': text => text.replace(/"version": "[^"]*"/, `"version": "${version}"`),
    ...changes,
  };
  const files = bundle.files.map(file => {
    const change = all[file.path];
    if (change === undefined) return file;
    const bytes = new TextEncoder().encode(change(new TextDecoder().decode(file.bytes)));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { ...file, bytes, sha256, size_bytes: bytes.byteLength };
  });
  return {
    version: `${version}-test`,
    files,
    size_bytes: files.reduce((sum, { size_bytes }) => sum + size_bytes, 0),
  };
}
