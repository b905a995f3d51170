/** One prompt in one session: its chunks, its tools' permissions, its end or its cancelling. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';
import { type AcpAnswer, type Judgement, judgeAcpAnswer } from '../../core/evidence.ts';
import { abortable } from '../abortable.ts';
import type { DriverTask, RunCallbacks } from '../driver.ts';
import type { AcpConnection } from './connection.ts';
import { decidePermission } from './permission.ts';

/** How long a session may take to end after a cancel; past it, the process is given up with all it runs. */
const CANCEL_GRACE_MS = 1_500;
/** A cancel that comes before the CLI has begun is lost on it: it is sent until it works. */
const CANCEL_REPEAT_MS = 250;

interface Turn {
  readonly connection: AcpConnection;
  readonly session_id: string;
  readonly task: DriverTask;
  /** The model to switch the session to; absent when it already has it. */
  readonly model: string | undefined;
  readonly callbacks: RunCallbacks;
  readonly cancel_grace_ms?: number;
}

/** @throws CcliError; on abort the signal's reason, once the session's prompt or its process has ended. */
export async function runTurn(turn: Turn, signal: AbortSignal): Promise<Judgement> {
  const { connection, session_id, task, callbacks } = turn;
  const seen = { has_text: false, thought: false, tool_calls: 0 };
  const silence = connection.listen(session_id, {
    onUpdate(update) {
      if (!signal.aborted) callbacks.onActivity?.();
      if (update.sessionUpdate === 'agent_thought_chunk') seen.thought = true;
      if (update.sessionUpdate === 'tool_call') seen.tool_calls += 1;
      if (update.sessionUpdate !== 'agent_message_chunk' || update.content.type !== 'text') return;
      const { text } = update.content;
      if (text === '' || isModeNotice(text) || signal.aborted) return;
      seen.has_text ||= text.trim() !== '';
      callbacks.onChunk(text);
    },
    onPermission(request) {
      if (!signal.aborted) callbacks.onActivity?.();
      seen.tool_calls += 1;
      return signal.aborted
        ? { outcome: { outcome: 'cancelled' } }
        : decidePermission(task.tool_policy, request);
    },
  });
  try {
    if (turn.model !== undefined) await abortable(connection.setModel(session_id, turn.model), signal);
    signal.throwIfAborted();
    const prompt = connection.prompt(session_id, literal(task.prompt));
    await Promise.race([prompt.then(nothing, nothing), whenAborted(signal)]);
    if (signal.aborted) {
      await endPrompt(turn, prompt);
      signal.throwIfAborted();
    }
    const response = await prompt;
    const usage = readUsage(response._meta);
    const answer: AcpAnswer = {
      ...seen,
      stop_reason: response.stopReason,
      prompt_chars: task.prompt.length,
      ...(usage !== undefined && { usage }),
    };
    return judgeAcpAnswer(answer);
  } finally {
    silence();
  }
}

const nothing = (): void => undefined;

const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });

/** Cancels until the prompt returns; a session that does not end takes its process with it. */
async function endPrompt(
  { connection, session_id, cancel_grace_ms = CANCEL_GRACE_MS }: Turn,
  prompt: Promise<unknown>,
): Promise<void> {
  const state = { returned: false };
  const settled = prompt.then(nothing, nothing).then(() => {
    state.returned = true;
  });
  for (let waited = 0; waited < cancel_grace_ms; waited += CANCEL_REPEAT_MS) {
    await connection.cancel(session_id).catch(nothing);
    const timer = new AbortController();
    await Promise.race([
      settled,
      delay(CANCEL_REPEAT_MS, undefined, { signal: timer.signal }).catch(nothing),
    ]);
    timer.abort();
    if (state.returned) return;
  }
  await connection.stop(
    new CcliError('cli_crashed', 'The CLI was ended, because a prompt that was cancelled in it did not end.'),
  );
  await settled;
}

/** The CLI takes a prompt like "/about" for a command of its own, unless something it does not trim comes first. */
const WORD_JOINER = '\u2060';
const literal = (prompt: string): string =>
  /^\s*[/$]\s*[\w?-]+(\s|$)/.test(prompt) ? `${WORD_JOINER}${prompt}` : prompt;

/** gemini says among the answer's chunks when its approval mode changes. */
const isModeNotice = (text: string): boolean => /^\[MODE_UPDATE\] \w+$/.test(text);

const TokensSchema = z.object({ input_tokens: z.int().nonnegative(), output_tokens: z.int().nonnegative() });
const MetaSchema = z.object({
  quota: z.object({ token_count: TokensSchema, model_usage: z.array(z.object({ model: z.string() })) }),
});

function readUsage(meta: unknown): AcpAnswer['usage'] {
  const parsed = MetaSchema.safeParse(meta);
  if (!parsed.success) return undefined;
  const { token_count, model_usage } = parsed.data.quota;
  return { ...token_count, models: model_usage.map(one => one.model) };
}
