/** An answer in the words of the Responses API. */
import type { Answer, Ending, Piece } from './answer-piece.ts';
import type { OpenAiErrorBody } from './error.ts';
import type { ResponsesAsk } from './responses-request.ts';
import type { Encoder } from './sse.ts';
import { responseUsage } from './usage.ts';

interface Frame {
  readonly task_id: string;
  readonly created: number;
  readonly ask: Pick<ResponsesAsk, 'model' | 'echo'>;
}

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

const statusOf = ({ finish }: Ending): 'completed' | 'incomplete' =>
  finish === 'length' ? 'incomplete' : 'completed';

const part = (text: string) => ({ type: 'output_text' as const, text, annotations: [], logprobs: [] });

const message = ({ task_id }: Frame, status: Status, text?: string) => ({
  id: `msg_${task_id}`,
  type: 'message' as const,
  status,
  role: 'assistant' as const,
  content: text === undefined ? [] : [part(text)],
});

interface State {
  readonly status: Status;
  readonly output: readonly unknown[];
  readonly usage?: Ending['usage'];
  readonly error?: { readonly code: string; readonly message: string };
}

function response({ task_id, created, ask }: Frame, { status, output, usage, error }: State) {
  const { instructions, max_output_tokens, temperature, top_p, metadata, text } = ask.echo;
  const ended = status === 'completed' || status === 'incomplete';
  return {
    id: `resp_${task_id}`,
    object: 'response' as const,
    created_at: created,
    status,
    completed_at: ended ? Math.floor(Date.now() / 1000) : null,
    background: false,
    error: error ?? null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: instructions ?? null,
    max_output_tokens: max_output_tokens ?? null,
    model: ask.model,
    output,
    parallel_tool_calls: false,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: temperature ?? null,
    text: { format: text?.format ?? { type: 'text' } },
    tool_choice: 'none',
    tools: [],
    top_p: top_p ?? null,
    truncation: 'disabled',
    usage: responseUsage(usage) ?? null,
    user: null,
    metadata: metadata ?? {},
  };
}

export const wholeResponseOf = (frame: Frame, answer: Answer) =>
  response(frame, {
    status: statusOf(answer),
    output: [message(frame, statusOf(answer), answer.text)],
    usage: answer.usage,
  });

export function responsesEncoder(frame: Frame): Encoder {
  let sequence_number = 0;
  let said = '';
  const event = (type: string, fields: object): string => {
    const data = JSON.stringify({ type, sequence_number, ...fields });
    sequence_number += 1;
    return `event: ${type}\ndata: ${data}\n\n`;
  };
  const at = { item_id: `msg_${frame.task_id}`, output_index: 0, content_index: 0 };

  const end = (ending: Ending): string => {
    const status = statusOf(ending);
    const item = message(frame, status, said);
    return [
      event('response.output_text.done', { ...at, text: said, logprobs: [] }),
      event('response.content_part.done', { ...at, part: part(said) }),
      event('response.output_item.done', { output_index: 0, item }),
      event(`response.${status}`, {
        response: response(frame, { status, output: [item], usage: ending.usage }),
      }),
    ].join('');
  };

  return {
    open() {
      const begun = response(frame, { status: 'in_progress', output: [] });
      return [
        event('response.created', { response: begun }),
        event('response.in_progress', { response: begun }),
        event('response.output_item.added', { output_index: 0, item: message(frame, 'in_progress') }),
        event('response.content_part.added', { ...at, part: part('') }),
      ].join('');
    },
    piece(piece: Piece) {
      if (piece.kind === 'end') return end(piece);
      said += piece.text;
      return event('response.output_text.delta', { ...at, delta: piece.text, logprobs: [] });
    },
    failed({ error: { code, message: says } }: OpenAiErrorBody) {
      const output = said === '' ? [] : [message(frame, 'incomplete', said)];
      const error = { code, message: says };
      return event('response.failed', { response: response(frame, { status: 'failed', output, error }) });
    },
  };
}
