/**
 * What a task of a session sends to its node: the prompt, together with what was said before. It is put together from
 * the tasks that are stored, so that a conversation goes on after any restart, and on another agent when it must.
 */
import { encode } from '../protocol/codec.ts';
import { ConversationSchema, type Turn } from '../protocol/conversation.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import type { TaskRequest } from '../protocol/task.ts';
import { cut, fitsInline, type Text } from '../protocol/text.ts';
import { createRecent } from './recent.ts';
import type { TaskStore } from './store.ts';
import { sha256, wholeText } from './stored-text.ts';
import type { TaskEntry } from './task-entry.ts';
import { withoutMiddle } from './without-middle.ts';

/** A prompt as it goes out. */
export interface Prepared {
  readonly prompt: Text;
  readonly conversation?: true;
  /** Of a long one that is nowhere in the store. */
  readonly slices?: readonly Uint8Array[];
}

export interface Conversations {
  /**
   * The same for each request of one attempt, as long as this process remembers it.
   *
   * @param earlier tasks of its session, oldest first
   * @param limit_bytes what its agent takes; the oldest turns are left out to keep to it
   */
  prepare(
    entry: Pick<TaskEntry, 'task_id' | 'seq'>,
    request: TaskRequest,
    attempt: number,
    earlier: readonly TaskEntry[],
    limit_bytes: number,
  ): Promise<Prepared>;
}

/** More would be read and sent again with each turn, and no model makes good use of it. */
const MAX_HISTORY_BYTES = 512 * 1024;

const utf8 = new TextEncoder();
/** Larger ones are put together again when they are needed again. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** As it stands in the JSON of a conversation. */
const sizeOf = (value: unknown): number => utf8.encode(JSON.stringify(value)).byteLength;

type TurnStore = Pick<TaskStore, 'request' | 'promptSlice' | 'result' | 'resultSlice'>;

export function createConversations(store: TurnStore, log: Log): Conversations {
  const prepared = createRecent<Prepared & { readonly seq: number }>();

  const read = async (entry: TaskEntry): Promise<Turn | undefined> => {
    const asked = await store.request(entry.task_id);
    const answered = await store.result(entry.task_id, entry.seq);
    if (asked === undefined || answered === undefined || asked.revision !== entry.seq) return undefined;
    const { request } = asked;
    // No submit makes one of a session; its text would not be what somebody said.
    if (request.conversation === true) return undefined;
    const prompt = await wholeText(request.prompt, index => store.promptSlice(request, index));
    const response = await wholeText(answered.text, index =>
      store.resultSlice(entry.task_id, answered.attempt, index),
    );
    return prompt === undefined || response === undefined ? undefined : { prompt, response };
  };

  /**
   * Undefined when it is no longer kept, or cannot be read: the task is not to wait for ever for what no retry brings
   * back. @throws CcliError `store_unavailable`
   */
  const turnOf = async (entry: TaskEntry): Promise<Turn | undefined> => {
    try {
      return await read(entry);
    } catch (error) {
      if (error instanceof CcliError && error.code === 'store_unavailable') throw error;
      log.warn('turn_not_read', { task_id: entry.task_id, ...errorFields(error) });
      return undefined;
    }
  };

  /** The newest turns that fit, oldest first; of the newest at least what fits of it. */
  const turnsWithin = async (earlier: readonly TaskEntry[], room: number): Promise<Turn[]> => {
    const turns: Turn[] = [];
    let left = room;
    for (const entry of earlier.toReversed()) {
      if (entry.prompt_bytes > left && turns.length > 0) break;
      const turn = await turnOf(entry);
      // What was said before a turn that is gone would be out of context.
      if (turn === undefined) break;
      const kept = turns.length === 0 ? shortened(turn, left) : turn;
      left -= sizeOf(kept) + 1;
      if (left < 0) break;
      turns.unshift(kept);
    }
    return turns;
  };

  return {
    async prepare({ task_id, seq }, request, attempt, earlier, limit_bytes) {
      const key = `${task_id}.${attempt}`;
      const known = prepared.get(key);
      if (known?.seq === seq) return known;
      const said = earlier.filter(({ state }) => state.status === 'completed');
      if (said.length === 0) return { prompt: request.prompt };
      const prompt = await wholeText(request.prompt, index => store.promptSlice(request, index));
      if (prompt === undefined) return { prompt: request.prompt };
      const frame = sizeOf({ turns: [], dropped: said.length, prompt });
      const room = Math.min(limit_bytes - frame, MAX_HISTORY_BYTES);
      const turns = await turnsWithin(said, room);
      if (turns.length === 0) return { prompt: request.prompt };
      const conversation = { turns, dropped: said.length - turns.length, prompt };
      const made = { ...sliced(conversation), conversation: true as const, seq };
      if (sizeOfText(made.prompt) <= MAX_KEPT_BYTES) prepared.put(key, made);
      return made;
    },
  };
}

const sizeOfText = (text: Text): number =>
  'inline' in text ? utf8.encode(text.inline).byteLength : text.ref.size_bytes;

/** Less would be no turn any more. */
const SHORTEST_CHARS = 200;

/** A turn with the middle of its texts left out, until it fits; it says so itself, since a model is to read it. */
function shortened(turn: Turn, room: number): Turn {
  let kept = turn;
  const { prompt, response } = turn;
  for (let chars = prompt.length + response.length; sizeOf(kept) + 1 > room; chars = Math.floor(chars / 2)) {
    if (chars < SHORTEST_CHARS) return turn;
    kept = { prompt: withoutMiddle(prompt, chars / 4), response: withoutMiddle(response, (chars * 3) / 4) };
  }
  return kept;
}

function sliced(conversation: { turns: Turn[]; dropped: number; prompt: string }): Prepared {
  const bytes = encode(ConversationSchema, conversation, Number.POSITIVE_INFINITY);
  const text = new TextDecoder().decode(bytes);
  if (fitsInline(text)) return { prompt: { inline: text } };
  const slices = cut(bytes);
  const ref = { slices: slices.length, size_bytes: bytes.byteLength, sha256: sha256(bytes) };
  return { prompt: { ref }, slices };
}
