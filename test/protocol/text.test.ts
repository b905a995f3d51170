import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encode } from '../../protocol/codec.ts';
import { CcliError } from '../../protocol/errors.ts';
import { INLINE_TEXT_BYTES, MAX_MESSAGE_BYTES, SLICE_BYTES } from '../../protocol/limits.ts';
import {
  cut,
  fitsInline,
  join,
  SliceDataSchema,
  type TextRef,
  TextRefSchema,
  TextSchema,
} from '../../protocol/text.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function sliced(text: string): { slices: Uint8Array[]; ref: TextRef } {
  const bytes = new TextEncoder().encode(text);
  const slices = cut(bytes);
  return { slices, ref: { slices: slices.length, size_bytes: bytes.byteLength, sha256: sha256(bytes) } };
}

/** The first cut falls inside its rocket. */
const SPLIT = `${'a'.repeat(SLICE_BYTES - 2)}🚀${'b'.repeat(SLICE_BYTES)}`;

describe('a long text', () => {
  test.each([
    ['one byte', 'a', 1],
    ['exactly one slice', 'a'.repeat(SLICE_BYTES), 1],
    ['one byte more than a slice', 'a'.repeat(SLICE_BYTES + 1), 2],
    ['a character across a cut', SPLIT, 3],
    ['a byte order mark at its start', `\ufeff${'a'.repeat(SLICE_BYTES)}`, 2],
    ['nothing but rockets', '🚀'.repeat(SLICE_BYTES), 4],
  ])('of %s comes back from its slices as it was', (_what, text, count) => {
    const { slices, ref } = sliced(text);
    expect(slices).toHaveLength(count);
    expect(TextRefSchema.parse(ref)).toEqual(ref);
    expect(join(slices, ref, sha256) === text).toBe(true);
  });

  test('of nothing has no slices', () => {
    expect(cut(new Uint8Array())).toEqual([]);
  });

  const { slices, ref } = sliced(SPLIT);
  const [first, second, third] = slices;

  test.each<[string, (Uint8Array | undefined)[], TextRef, RegExp]>([
    ['with a slice missing', [first, undefined, third], ref, /^Slice 1 of 3 is missing/],
    ['with the last slice missing', [first, second], ref, /^Slice 2 of 3 is missing/],
    ['with slices in the wrong order', [second, first, third], ref, /do not add up/],
    ['with a slice that is too long', [first, second, second], ref, /more than the \d+ bytes/],
    ['with a slice that is too short', [first, third, third], ref, /do not add up/],
    ['with another hash', slices, { ...ref, sha256: '0'.repeat(64) }, /do not add up/],
    ['that announces fewer bytes', slices, { ...ref, size_bytes: 1 }, /more than the 1 bytes/],
    ['that announces fewer slices', slices, { ...ref, slices: 2 }, /do not add up/],
  ])('%s is refused', (_what, given, announced, message) => {
    try {
      join(given, announced, sha256);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(CcliError);
      expect(error).toMatchObject({
        code: 'slices_incomplete',
        message: expect.stringMatching(message) as unknown,
      });
    }
  });

  test('that is not UTF-8 is refused with a code, though its hash is right', () => {
    const bytes = Uint8Array.of(0x61, 0xff);
    const announced = { slices: 1, size_bytes: 2, sha256: sha256(bytes) };
    expect(() => join([bytes], announced, sha256)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});

describe('the choice between inline and slices', () => {
  test.each([
    ['', true],
    ['a'.repeat(INLINE_TEXT_BYTES - 2), true],
    ['a'.repeat(INLINE_TEXT_BYTES - 1), false],
    ['\u0000'.repeat(INLINE_TEXT_BYTES / 6 + 1), false],
    ['"'.repeat(INLINE_TEXT_BYTES / 2), false],
    ['é'.repeat(INLINE_TEXT_BYTES / 2 - 1), true],
    ['é'.repeat(INLINE_TEXT_BYTES / 2), false],
  ])('goes by the size as JSON (case %#)', (text, fits) => {
    expect(fitsInline(text)).toBe(fits);
  });

  test.each(['a', '\u0000', '"', 'é', '🚀', '\ud800'])('leaves a message of %j within its limit', unit => {
    let length = Math.ceil(INLINE_TEXT_BYTES / unit.length);
    while (!fitsInline(unit.repeat(length))) length = Math.floor(length * 0.9);
    const message = encode(TextSchema, { inline: unit.repeat(length) });
    expect(message.byteLength).toBeLessThan(MAX_MESSAGE_BYTES / 2);
  });
});

describe('one slice on the wire', () => {
  test('of full size fits its schema and a message', () => {
    const data = Buffer.alloc(SLICE_BYTES, 0xff).toString('base64');
    expect(SliceDataSchema.parse(data)).toBe(data);
    expect(data.length).toBeLessThan(MAX_MESSAGE_BYTES / 2);
  });

  test.each([Buffer.alloc(SLICE_BYTES + 3).toString('base64'), 'not base64!', 'YQ', 5])(
    'that is too long or not base64 is refused (case %#)',
    data => {
      expect(SliceDataSchema.safeParse(data).success).toBe(false);
    },
  );
});
