/**
 * Long text on the wire. A text is either inline or a reference to numbered slices; the slices themselves travel
 * one a message, so no message comes near the server's limit however large the text is.
 */
import { z } from 'zod';
import { CcliError } from './errors.ts';
import { INLINE_TEXT_BYTES, MAX_OUTPUT_BYTES, SLICE_BYTES } from './limits.ts';

/** What a whole text must turn out to be once its slices are put together. `sha256` is lower-case hex. */
export const TextRefSchema = z.object({
  slices: z
    .int()
    .positive()
    .max(MAX_OUTPUT_BYTES / SLICE_BYTES),
  size_bytes: z.int().positive().max(MAX_OUTPUT_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type TextRef = z.infer<typeof TextRefSchema>;

/** Exactly one of the two is set. */
export const TextSchema = z.union([z.object({ inline: z.string() }), z.object({ ref: TextRefSchema })]);
export type Text = z.infer<typeof TextSchema>;

/** One slice: UTF-8 bytes in base64, since a cut may fall inside a character. */
export const SliceDataSchema = z.base64().max(Math.ceil(SLICE_BYTES / 3) * 4);

const encoder = new TextEncoder();

/** Whether a text, once escaped as JSON, is small enough to travel inside its message. */
export function fitsInline(text: string): boolean {
  // A UTF-16 unit becomes at most six bytes (\u0000), so most texts are decided without encoding them.
  if (text.length * 6 <= INLINE_TEXT_BYTES) return true;
  if (text.length > INLINE_TEXT_BYTES) return false;
  return encoder.encode(JSON.stringify(text)).byteLength <= INLINE_TEXT_BYTES;
}

/** A text cut into slices of `SLICE_BYTES`; the last one may be shorter. */
export function cut(bytes: Uint8Array): Uint8Array[] {
  const slices: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES)
    slices.push(bytes.subarray(at, at + SLICE_BYTES));
  return slices;
}

/**
 * The inverse of `cut`.
 *
 * @param sha256 hashes bytes to lower-case hex; passed in, since the wire itself depends on no platform.
 * @throws CcliError `slices_incomplete` when a slice is missing, or size or hash is not what `ref` says;
 *   `invalid_request` when the whole is not UTF-8.
 */
export function join(
  slices: readonly (Uint8Array | undefined)[],
  ref: TextRef,
  sha256: (bytes: Uint8Array) => string,
): string {
  const whole = new Uint8Array(ref.size_bytes);
  let at = 0;
  for (let index = 0; index < ref.slices; index += 1) {
    const slice = slices[index];
    if (slice === undefined)
      throw new CcliError('slices_incomplete', `Slice ${index} of ${ref.slices} is missing.`);
    if (at + slice.byteLength > ref.size_bytes) {
      throw new CcliError(
        'slices_incomplete',
        `The slices hold more than the ${ref.size_bytes} bytes announced.`,
      );
    }
    whole.set(slice, at);
    at += slice.byteLength;
  }
  if (at !== ref.size_bytes || sha256(whole) !== ref.sha256) {
    throw new CcliError(
      'slices_incomplete',
      'The slices do not add up to the text announced; send it again.',
    );
  }
  try {
    // A byte order mark is part of the text like any other character.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(whole);
  } catch (cause) {
    throw new CcliError('invalid_request', 'The text is not UTF-8; convert it and send it again.', { cause });
  }
}
