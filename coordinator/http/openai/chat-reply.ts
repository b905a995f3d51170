/** An answer in the words of chat completions. */
import type { Answer, Piece } from './answer-piece.ts';
import type { Encoder } from './sse.ts';
import { completionUsage } from './usage.ts';

interface Frame {
  readonly task_id: string;
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
}

const idOf = ({ task_id }: Frame): string => `chatcmpl-${task_id}`;

export function chatCompletion(frame: Frame, { text, finish, usage }: Answer) {
  const counts = completionUsage(usage);
  return {
    id: idOf(frame),
    object: 'chat.completion' as const,
    created: frame.created,
    model: frame.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant' as const, content: text, refusal: null },
        logprobs: null,
        finish_reason: finish,
      },
    ],
    // Left out when no count is known: zeros would be taken for counts.
    ...(counts !== undefined && { usage: counts }),
  };
}

const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

/** @param include_usage a last chunk without choices tells the tokens, or null when no count is known */
export function chatEncoder(frame: Frame, include_usage: boolean): Encoder {
  const chunk = (choices: readonly unknown[], usage: unknown = null): string =>
    event({
      id: idOf(frame),
      object: 'chat.completion.chunk',
      created: frame.created,
      model: frame.model,
      choices,
      ...(include_usage && { usage }),
    });
  const choice = (delta: object, finish_reason: string | null): string =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason }]);
  return {
    open: () => choice({ role: 'assistant', content: '', refusal: null }, null),
    piece(piece: Piece) {
      if (piece.kind === 'text') return choice({ content: piece.text }, null);
      const usage = include_usage ? chunk([], completionUsage(piece.usage) ?? null) : '';
      return `${choice({}, piece.finish)}${usage}data: [DONE]\n\n`;
    },
    failed: error => event(error),
  };
}
