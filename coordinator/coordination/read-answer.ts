/** The beginning of an answer, however long the whole is. */
import { PART_TEXT_CHARS } from '../../protocol/coordination.ts';
import { type ErrorBody, toErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import { type CutText, cutChars } from './cut-text.ts';
import { again, type Tools } from './tools.ts';

export type ReadAnswer = { readonly text?: CutText; readonly error?: ErrorBody };

/** A character of a text takes at most three bytes a unit, so its first slice holds all that is ever shown of it. */
export async function readAnswer(
  { operations, context, left }: Tools,
  view: TaskView | undefined,
): Promise<ReadAnswer> {
  if (view?.response !== undefined) return { text: cutChars(view.response, PART_TEXT_CHARS) };
  const ref = view?.response_ref;
  if (view === undefined || ref === undefined) return {};
  try {
    const request = { task_id: view.task_id, index: 0 };
    const { data } = await again(() => operations.download(request, context), left, context.signal);
    const bytes = Buffer.from(data, 'base64');
    // As a stream: the slice may end inside a character, which is then left out.
    const begin = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
    const { text, cut } = cutChars(begin, PART_TEXT_CHARS);
    return { text: { text, cut: cut || bytes.byteLength < ref.size_bytes } };
  } catch (error) {
    return { error: toErrorBody(error) };
  }
}
