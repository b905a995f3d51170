import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createBlobPurge } from '../../coordinator/blob-purge.ts';
import { createFleet, type Fleet } from '../../coordinator/fleet.ts';
import { createMirror } from '../../coordinator/mirror.ts';
import type { TaskStore } from '../../coordinator/store.ts';
import type { StoreUsage } from '../../coordinator/store-usage.ts';
import { createSubmit } from '../../coordinator/submit.ts';
import { createUpload } from '../../coordinator/upload.ts';
import { AdvertSchema } from '../../protocol/advert.ts';
import type { AgentStatus } from '../../protocol/agent.ts';
import { encode } from '../../protocol/codec.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { INLINE_TEXT_BYTES, MAX_PROMPT_BYTES } from '../../protocol/limits.ts';
import type { SubmitRequest } from '../../protocol/operation.ts';
import { uploadBlob } from '../../protocol/subjects.ts';
import { cut } from '../../protocol/text.ts';
import { advertOf } from '../support/advert.ts';
import { agent } from './core/snapshot.ts';
import { ENDLESS, testStores } from './task-store.ts';

/** A fleet that has heard of these agents, and does not wait for more. */
function fleetOf(agents: readonly AgentStatus[]): Fleet {
  const log = createLog({ level: 'silent', name: 'test' });
  const quiet = (): void => undefined;
  const fleet = createFleet({
    prefix: 'ccli',
    clock: () => 0,
    settle_ms: 0,
    onChange: quiet,
    onNode: quiet,
    log,
  });
  const advert = advertOf({ agents: [...agents] });
  if (agents.length > 0) fleet.receive('ccli.node.walnut.advert', encode(AdvertSchema, advert));
  return fleet;
}

async function door(...agents: readonly string[]) {
  const { store, stores } = await testStores();
  const fleet = fleetOf(
    (agents.length === 0 ? ['walnut-gemini 0/2 max_prompt=33554432'] : agents).map(
      text => agent(text).status,
    ),
  );
  let activations = 0;
  const coordinator = (usage: Pick<StoreUsage, 'refusal' | 'count'> = ENDLESS) => {
    const mirror = createMirror({ clock: () => 0, onChange: () => undefined });
    const activate = (): void => {
      activations += 1;
    };
    const submit = createSubmit({
      store,
      mirror,
      fleet,
      planner: { chain: () => undefined },
      usage,
      activate,
    });
    return (request: SubmitRequest, caller = 'local') =>
      submit(request, { caller, signal: new AbortController().signal });
  };
  const upload = createUpload({ store, usage: ENDLESS });
  return { store, stores, coordinator, submit: coordinator(), upload, activations: () => activations };
}

/** What a node would be given. */
async function storedPrompt(store: TaskStore, task_id: string): Promise<string> {
  const found = await store.request(task_id);
  if (found === undefined) throw new Error(`no task ${task_id}`);
  const { prompt } = found.request;
  if ('inline' in prompt) return prompt.inline;
  const slices: Uint8Array[] = [];
  for (let index = 0; index < prompt.ref.slices; index += 1)
    slices.push((await store.promptSlice(found.request, index)) ?? new Uint8Array());
  return Buffer.concat(slices).toString();
}

const dataOf = (slice: Uint8Array | undefined): string => Buffer.from(slice ?? []).toString('base64');

const refOf = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  const slices = cut(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { slices, ref: { slices: slices.length, size_bytes: bytes.byteLength, sha256 } };
};

const LONG = `${'🚀'.repeat(INLINE_TEXT_BYTES / 4)}!`;

const CONVERSATION = JSON.stringify({ turns: [], dropped: 0, prompt: 'hello' });

describe('a submit', () => {
  test('is answered once the task is stored, and wakes the planner', async () => {
    const { store, submit, activations } = await door();
    const entry = await submit({ prompt: 'zażółć 🚀', model: 'flash', priority: 3 });
    expect(entry.state.status).toBe('queued');
    expect(entry.task_id).toMatch(/^t[0-9a-f]{20}$/);
    expect((await store.request(entry.task_id))?.request).toEqual({
      v: 1,
      task_id: entry.task_id,
      caller: 'local',
      prompt: { inline: 'zażółć 🚀' },
      prompt_bytes: 15,
      options: { model: 'flash', priority: 3 },
    });
    expect(activations()).toBe(1);
  });

  test('of a long prompt stores its slices beside the request', async () => {
    const { store, submit } = await door();
    const { task_id, prompt_bytes } = await submit({ prompt: LONG });
    const { ref } = refOf(LONG);
    expect(prompt_bytes).toBe(ref.size_bytes);
    expect((await store.request(task_id))?.request.prompt).toEqual({ ref });
    expect((await storedPrompt(store, task_id)) === LONG).toBe(true);
  });

  test('of an uploaded prompt needs its id and all its slices', async () => {
    const { store, submit, upload } = await door();
    const { slices, ref } = refOf(LONG);
    await expect(submit({ prompt_ref: ref })).rejects.toMatchObject({ code: 'invalid_request' });
    const task_id = 'uploaded';
    const request = { prompt_ref: ref, task_id };
    await upload({ task_id, index: 0, data: dataOf(slices[0]) });
    await expect(submit(request)).rejects.toMatchObject({ code: 'slices_incomplete' });
    await upload({ task_id, index: 1, data: dataOf(slices[1]) });
    expect((await submit(request)).prompt_bytes).toBe(ref.size_bytes);
    expect((await storedPrompt(store, task_id)) === LONG).toBe(true);
  });

  test('of an uploaded prompt can be begun anew by a caller that missed the answer', async () => {
    const { submit, upload, stores } = await door();
    const { slices, ref } = refOf(LONG);
    const task_id = 'uploaded';
    const uploadAll = async () => {
      for (const [index, slice] of slices.entries()) await upload({ task_id, index, data: dataOf(slice) });
    };
    await uploadAll();
    const { seq } = await submit({ prompt_ref: ref, task_id });
    const purge = createBlobPurge(stores);
    const { last_seq } = await purge.index();
    for (const index of slices.keys()) await purge.remove(uploadBlob(task_id, index), last_seq);
    await uploadAll();
    expect((await submit({ prompt_ref: ref, task_id })).seq).toBe(seq);
    await expect(upload({ task_id, index: 0, data: dataOf(Buffer.from('?')) })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
  });

  test.each<[string, SubmitRequest, string]>([
    ['neither a prompt nor slices', {}, 'invalid_request'],
    ['both', { prompt: 'a', prompt_ref: refOf('a').ref }, 'invalid_request'],
    ['an empty prompt', { prompt: '' }, 'prompt_empty'],
    ['a blank prompt', { prompt: ' \n\t\u00a0' }, 'prompt_empty'],
    ['a NUL', { prompt: 'a\0b' }, 'prompt_has_nul'],
    ['a conversation that is none', { prompt: 'a', conversation: true }, 'invalid_request'],
    [
      'a conversation within a session',
      { prompt: CONVERSATION, conversation: true, session_id: 's' },
      'invalid_request',
    ],
    ['more than any agent takes', { prompt: 'a'.repeat(MAX_PROMPT_BYTES + 1) }, 'prompt_too_large'],
    ['more than this agent takes', { prompt: 'a'.repeat(101) }, 'prompt_too_large'],
    ['an agent that is not there', { prompt: 'a', agent_id: 'nobody' }, 'agent_unknown'],
    ['a type that is not there', { prompt: 'a', agent_type: 'ollama' }, 'agent_type_unknown'],
    ['a model that is not served', { prompt: 'a', model: 'ultra' }, 'model_not_found'],
  ])('with %s is refused and stores nothing', async (_what, request, code) => {
    const { store, submit, activations } = await door('walnut-gemini 0/2 models=pro max_prompt=100');
    await expect(submit({ task_id: 't1', ...request })).rejects.toMatchObject({ code });
    expect(await store.lastWatched()).toBe(0);
    expect(activations()).toBe(0);
  });

  test('of a conversation stores that it is one', async () => {
    const { store, submit } = await door();
    const prompt = JSON.stringify({ instructions: 'Be brief.', turns: [], dropped: 0, prompt: 'hello' });
    const { task_id } = await submit({ prompt, conversation: true });
    expect((await store.request(task_id))?.request).toMatchObject({
      prompt: { inline: prompt },
      conversation: true,
      prompt_bytes: prompt.length,
    });
  });

  test('of a conversation that was uploaded looks into it as well', async () => {
    const { store, submit, upload } = await door();
    const task_id = 'uploaded';
    const uploaded = async (text: string) => {
      const { slices, ref } = refOf(text);
      for (const [index, slice] of slices.entries()) await upload({ task_id, index, data: dataOf(slice) });
      return { task_id, prompt_ref: ref, conversation: true as const };
    };
    await expect(submit(await uploaded(LONG))).rejects.toMatchObject({ code: 'invalid_request' });
    const text = JSON.stringify({ turns: [{ prompt: LONG, response: 'a' }], dropped: 0, prompt: 'b' });
    const request = await uploaded(text);
    const { seq } = await submit(request);
    expect((await store.request(task_id))?.request.conversation).toBe(true);
    expect((await submit(request)).seq).toBe(seq);
  });

  test('waits in the queue when all slots are taken', async () => {
    const { submit } = await door('walnut-gemini 2/2');
    expect((await submit({ prompt: 'a' })).state.status).toBe('queued');
  });
});

describe('a submit sent twice', () => {
  test.each([
    ['an id', { task_id: 'mine' }],
    ['an idempotency key', { idempotency_key: 'order 66' }],
  ])('under %s is one task, whichever coordinator hears it', async (_what, name) => {
    const { coordinator } = await door();
    const [first, second] = [coordinator(), coordinator()];
    const request = { prompt: 'a', ...name };
    const entries = [await first(request), await first(request), await second(request)];
    expect(new Set(entries.map(({ task_id }) => task_id)).size).toBe(1);
    expect(new Set(entries.map(({ seq }) => seq)).size).toBe(1);
  });

  test('at the same moment is one task', async () => {
    const { coordinator } = await door();
    const entries = await Promise.all(
      [1, 2, 3, 4].map(() => coordinator()({ prompt: 'a', task_id: 'mine' })),
    );
    expect(new Set(entries.map(({ seq }) => seq)).size).toBe(1);
  });

  test.each([
    ['another prompt', { prompt: 'b' }],
    ['other options', { prompt: 'a', priority: 1 }],
    ['the same text as a conversation', { prompt: CONVERSATION, conversation: true as const }],
  ])('with %s is a conflict', async (_what, other) => {
    const { submit } = await door();
    const prompt = 'conversation' in other ? other.prompt : 'a';
    await submit({ prompt, task_id: 'mine' });
    await expect(submit({ ...other, task_id: 'mine' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
  });

  test('with different long prompts at the same moment stores one of them, whole', async () => {
    const { store, coordinator } = await door();
    const texts = [LONG, `?${LONG}`, `${LONG}?`];
    const ended = await Promise.allSettled(texts.map(prompt => coordinator()({ prompt, task_id: 'mine' })));
    const accepted = texts.filter((_text, index) => ended[index]?.status === 'fulfilled');
    expect(accepted).toHaveLength(1);
    expect((await storedPrompt(store, 'mine')) === accepted[0]).toBe(true);
  });

  test('is answered with the first task even when the store takes nothing new', async () => {
    const { coordinator } = await door();
    const full = { refusal: () => new CcliError('store_full'), count: () => undefined };
    const { seq } = await coordinator()({ prompt: 'a', task_id: 'mine' });
    expect((await coordinator(full)({ prompt: 'a', task_id: 'mine' })).seq).toBe(seq);
    await expect(coordinator(full)({ prompt: 'a', task_id: 'other' })).rejects.toMatchObject({
      code: 'store_full',
    });
  });

  test('by different callers under one idempotency key is two tasks', async () => {
    const { submit } = await door();
    const request = { prompt: 'a', idempotency_key: 'k' };
    expect((await submit(request, 'alice')).task_id).not.toBe((await submit(request, 'bob')).task_id);
  });

  test('with another long prompt is a conflict that leaves the first one whole', async () => {
    const { store, submit } = await door();
    await submit({ prompt: LONG, task_id: 'mine' });
    await expect(submit({ prompt: `?${LONG}`, task_id: 'mine' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    expect((await storedPrompt(store, 'mine')) === LONG).toBe(true);
    expect((await submit({ prompt: LONG, task_id: 'mine' })).task_id).toBe('mine');
  });
});
