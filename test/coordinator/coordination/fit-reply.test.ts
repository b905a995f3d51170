import { expect, test } from 'vitest';
import { fitReply } from '../../../coordinator/coordination/fit-reply.ts';
import { encode } from '../../../protocol/codec.ts';
import {
  type CoordinateReply,
  CoordinateReplySchema,
  PART_TEXT_CHARS,
} from '../../../protocol/coordination.ts';

const reply = (letter: string): CoordinateReply => ({
  coordination_id: 'x'.repeat(32),
  strategy: 'synthesize',
  status: 'partial',
  parts: Array.from({ length: 17 }, (_, index) => ({
    task_id: 'x'.repeat(64),
    role: index === 16 ? ('judge' as const) : ('answer' as const),
    agent_id: 'a'.repeat(63),
    node: 'n'.repeat(63),
    agent_type: 'cli_antigravity' as const,
    specialty: 'pytorch_dev' as const,
    task_type: 'implementation' as const,
    why: 'w'.repeat(1_000),
    status: 'failed' as const,
    response: letter.repeat(PART_TEXT_CHARS),
    error: {
      code: 'internal' as const,
      message: letter.repeat(4_000),
      retryable: false,
      cause: letter.repeat(4_000),
    },
  })),
  answer: letter.repeat(PART_TEXT_CHARS),
  notes: Array.from({ length: 200 }, () => letter.repeat(2_000)),
  error: { code: 'internal', message: letter.repeat(4_000), retryable: false },
  took_ms: 1,
});

test.each(['a', 'ż', '漢', '\u0001', '"', '\ud800'])('sixteen answers of %j fit a message', letter => {
  const fitted = fitReply(reply(letter));
  expect(() => encode(CoordinateReplySchema, fitted)).not.toThrow();
  expect(
    fitted.parts.every(part => (part.response_cut === true) === (part.response?.length !== PART_TEXT_CHARS)),
  ).toBe(true);
});

test('plain text is not cut further than each part may be', () => {
  const { parts, answer_cut } = fitReply(reply('a'));
  expect(parts.every(({ response }) => response?.length === PART_TEXT_CHARS)).toBe(true);
  expect(answer_cut).toBeUndefined();
});
