import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createConversations, type Prepared } from '../../coordinator/conversation.ts';
import type { TaskStore } from '../../coordinator/store.ts';
import type { TaskEntry } from '../../coordinator/task-entry.ts';
import { type Conversation, ConversationSchema } from '../../protocol/conversation.ts';
import { createLog, type Log } from '../../protocol/daemon/log.ts';
import { queuedState, type TaskRequest, type TaskStatus } from '../../protocol/task.ts';
import { cut, fitsInline, join, type Text } from '../../protocol/text.ts';
import { testStores } from './task-store.ts';

const utf8 = new TextEncoder();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const PLENTY = 8 * 1024 * 1024;

const recorder = (warnings: string[]): Log => {
  const silent = createLog({ level: 'silent', name: 'test' });
  return { ...silent, warn: event => void warnings.push(event) };
};

interface Ended {
  readonly status?: TaskStatus;
  readonly response?: string;
}

/** A session in the real store: each task with its prompt, and its answer when it has one. */
async function session() {
  const { store, stores } = await testStores();
  const warnings: string[] = [];
  const conversations = createConversations(store, recorder(warnings));
  const earlier: TaskEntry[] = [];

  const textOf = async (text: string, put: (index: number, bytes: Uint8Array) => Promise<void>) => {
    if (fitsInline(text)) return { inline: text };
    const bytes = utf8.encode(text);
    const slices = cut(bytes);
    for (const [index, slice] of slices.entries()) await put(index, slice);
    return { ref: { slices: slices.length, size_bytes: bytes.byteLength, sha256: sha256(bytes) } };
  };

  const request = async (task_id: string, prompt: string): Promise<TaskRequest> => {
    const ref = sha256(utf8.encode(prompt));
    const kept: Uint8Array[] = [];
    const text = await textOf(prompt, (_index, bytes) => Promise.resolve(void kept.push(bytes)));
    if ('ref' in text) await store.putPrompt(task_id, { ...text.ref, sha256: ref }, kept);
    return {
      v: 1,
      task_id,
      caller: 'local',
      prompt: text,
      prompt_bytes: utf8.encode(prompt).byteLength,
      options: { session_id: 's' },
    };
  };

  const ask = async (task_id: string, prompt: string): Promise<{ request: TaskRequest; seq: number }> => {
    const made = await request(task_id, prompt);
    const seq = await store.createRequest(made);
    if (seq === undefined) throw new Error(`${task_id} is there already`);
    return { request: made, seq };
  };

  return {
    store,
    stores,
    warnings,
    earlier,
    turn: async (
      task_id: string,
      prompt: string,
      { status = 'completed', response }: Ended,
    ): Promise<void> => {
      const { request: made, seq } = await ask(task_id, prompt);
      if (response !== undefined) {
        const text = await textOf(response, (index, bytes) => store.putResultSlice(task_id, 1, index, bytes));
        const answer = { completeness: 'whole' as const, run_ms: 1, warm: true };
        await store.createResult({ v: 1, task_id, attempt: 1, text, ...answer }, seq);
      }
      earlier.push({
        task_id,
        caller: 'local',
        options: made.options,
        prompt_bytes: made.prompt_bytes,
        seq,
        created_at_ms: 0,
        accepted_since_ms: 0,
        state: { ...queuedState(task_id, 1), status },
        state_revision: 0,
        cancel_requested: false,
        queued_since_ms: 0,
        not_before_ms: 0,
        ended_since_ms: undefined,
        waiting_for: undefined,
      });
    },
    prepare: async (task_id: string, prompt: string, limit_bytes = PLENTY): Promise<Prepared> => {
      const { request: made, seq } = await ask(task_id, prompt);
      return await conversations.prepare({ task_id, seq }, made, 1, earlier, limit_bytes);
    },
    conversations,
    ask,
  };
}

const read = (text: Text, slices: readonly Uint8Array[] = []): string =>
  'inline' in text ? text.inline : join(slices, text.ref, sha256);

const said = ({ prompt, slices }: Prepared): Conversation =>
  ConversationSchema.parse(JSON.parse(read(prompt, slices)));

describe('the prompt of a task in a session', () => {
  test('is the plain prompt while nothing was said before', async () => {
    const { prepare } = await session();
    expect(await prepare('t1', 'hello')).toEqual({ prompt: { inline: 'hello' } });
  });

  test('comes with every completed turn, oldest first', async () => {
    const { turn, prepare } = await session();
    await turn('t1', 'my name is Ada', { response: 'Hello, Ada.' });
    await turn('t2', 'what is 2+2?', { response: '4 🎉' });
    const prepared = await prepare('t3', 'what is my name?');
    expect(prepared.conversation).toBe(true);
    expect(said(prepared)).toEqual({
      turns: [
        { prompt: 'my name is Ada', response: 'Hello, Ada.' },
        { prompt: 'what is 2+2?', response: '4 🎉' },
      ],
      dropped: 0,
      prompt: 'what is my name?',
    });
  });

  test('leaves out turns that failed or were cancelled', async () => {
    const { turn, prepare } = await session();
    await turn('t1', 'one', { response: 'first' });
    await turn('t2', 'two', { status: 'failed' });
    await turn('t3', 'three', { status: 'cancelled' });
    expect(said(await prepare('t4', 'four'))).toMatchObject({
      turns: [{ prompt: 'one', response: 'first' }],
      dropped: 0,
    });
  });

  test('keeps within what the agent takes by dropping the oldest turns, and says how many', async () => {
    const { turn, prepare } = await session();
    await turn('t1', 'a'.repeat(400), { response: 'b'.repeat(400) });
    await turn('t2', 'two', { response: 'second' });
    await turn('t3', 'three', { response: 'third' });
    const prepared = await prepare('t4', 'four', 400);
    expect(said(prepared)).toEqual({
      turns: [
        { prompt: 'two', response: 'second' },
        { prompt: 'three', response: 'third' },
      ],
      dropped: 1,
      prompt: 'four',
    });
    expect(utf8.encode(read(prepared.prompt)).byteLength).toBeLessThanOrEqual(400);
  });

  test('has the last turn without its middle when it does not fit, and never half a character', async () => {
    const { turn, prepare } = await session();
    await turn('t1', 'one', { response: `first ${'🎉'.repeat(200_000)} last` });
    const prepared = await prepare('t2', 'two', 10_000);
    const [kept] = said(prepared).turns;
    expect(kept?.prompt).toBe('one');
    expect(kept?.response).toMatch(/^first 🎉+\n\[… \d+ characters left out …\]\n🎉+ last$/u);
    expect(utf8.encode(read(prepared.prompt)).byteLength).toBeLessThanOrEqual(10_000);
  });

  test('is the plain prompt when there is room for nothing else', async () => {
    const { turn, prepare } = await session();
    await turn('t1', 'one', { response: 'x'.repeat(500) });
    expect(await prepare('t2', 'two', 100)).toEqual({ prompt: { inline: 'two' } });
  });

  test('does without a turn that cannot be read, and says so in the log', async () => {
    const { turn, prepare, store, stores, warnings } = await session();
    await turn('t1', 'one', { response: 'first' });
    await turn('t2', 'two', { response: 'second' });
    await stores.tasks.put('t1.result', '{"v":99}');
    store.forgetAll();
    expect(said(await prepare('t3', 'three'))).toMatchObject({
      turns: [{ prompt: 'two', response: 'second' }],
      dropped: 1,
    });
    expect(warnings).toEqual(['turn_not_read']);
  });

  test('begins after a turn of which nothing is kept any more', async () => {
    const { turn, prepare } = await session();
    await turn('t1', 'one', { response: 'first' });
    await turn('t2', 'two', {});
    await turn('t3', 'three', { response: 'third' });
    expect(said(await prepare('t4', 'four'))).toMatchObject({
      turns: [{ prompt: 'three', response: 'third' }],
      dropped: 2,
    });
  });

  test('travels as slices when it is long, and whatever was long before it is read back whole', async () => {
    const { turn, prepare } = await session();
    const long = 'é'.repeat(150_000);
    await turn('t1', 'tell me much', { response: long });
    const prepared = await prepare('t2', 'and now?');
    expect(prepared.slices?.length).toBeGreaterThan(1);
    expect(said(prepared).turns).toEqual([{ prompt: 'tell me much', response: long }]);
  });

  test('is the same when an attempt is asked for again, though turns were purged meanwhile', async () => {
    const { turn, ask, conversations, earlier, store } = await session();
    await turn('t1', 'one', { response: 'first' });
    const { request, seq } = await ask('t2', 'two');
    const prepare = (): Promise<Prepared> =>
      conversations.prepare({ task_id: 't2', seq }, request, 1, earlier, PLENTY);
    const first = await prepare();
    const gone: Pick<TaskStore, 'forgetAll'> = store;
    gone.forgetAll();
    earlier.length = 0;
    expect((await prepare()).prompt).toEqual(first.prompt);
  });
});
