/** A stored text as a whole. */
import { createHash } from 'node:crypto';
import { join, type Text } from '../protocol/text.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Undefined when a slice of it is no longer kept. @throws CcliError `store_unavailable`, `slices_incomplete` */
export async function wholeText(
  text: Text,
  slice: (index: number) => Promise<Uint8Array | undefined>,
): Promise<string | undefined> {
  if ('inline' in text) return text.inline;
  const { ref } = text;
  const slices: Uint8Array[] = [];
  for (let index = 0; index < ref.slices; index += 1) {
    const bytes = await slice(index);
    if (bytes === undefined) return undefined;
    slices.push(bytes);
  }
  return join(slices, ref, sha256);
}
