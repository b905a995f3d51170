/** A text as a caller uploads it: slice by slice, before the submit that refers to it. */
import { createHash } from 'node:crypto';
import { cut, type TextRef } from '../../protocol/text.ts';
import type { TestFleet } from './fleet.ts';

export async function uploadText(
  { call }: Pick<TestFleet, 'call'>,
  task_id: string,
  text: string,
): Promise<TextRef> {
  const bytes = new TextEncoder().encode(text);
  const slices = cut(bytes);
  for (const [index, slice] of slices.entries())
    await call('upload', { task_id, index, data: Buffer.from(slice).toString('base64') });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { slices: slices.length, size_bytes: bytes.byteLength, sha256 };
}
