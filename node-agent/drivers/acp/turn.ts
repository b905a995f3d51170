/** One prompt in one session: its chunks, its tools' permissions, its end or its cancelling. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError } from '../../../protocol/errors.ts';
import type { Usage } from '../../../protocol/task.ts';
import { type AcpAnswer, type Judgement, judgeAcpAnswer } from '../../core/evidence.ts';
import { literal } from '../../core/literal.ts';
import { asOneText } from '../../core/one-text.ts';
import { addUsage } from '../../core/usage.ts';
import type { Dialect } from '../../presets/preset.ts';
import { abortable } from '../abortable.ts';
import type { DriverTask, RunCallbacks } from '../driver.ts';
import type { OpenedSession } from './announced.ts';
import type { AcpConnection } from './connection.ts';
import { decidePermission } from './permission.ts';
import { switchModel } from './session.ts';
import { readTold, usageOf } from './told.ts';

/** How long a session may take to end after a cancel; past it, the process is given up with all it runs. */
const CANCEL_GRACE_MS = 1_500;
/** A cancel that comes before the CLI has begun is lost on it: it is sent until it works. */
const CANCEL_REPEAT_MS = 250;

interface Seen {
  has_text: boolean;
  thought: boolean;
  tool_calls: number;
  notice: string | undefined;
  usage: Usage | undefined;
}

interface Turn {
  readonly connection: AcpConnection;
  readonly session: OpenedSession;
  readonly task: DriverTask;
  /** The model to switch the session to; absent when it already has it. */
  readonly model: string | undefined;
  readonly dialect: Dialect;
  readonly callbacks: RunCallbacks;
  readonly cancel_grace_ms?: number;
}

/** @throws CcliError; on abort the signal's reason, once the session's prompt or its process has ended. */
export async function runTurn(turn: Turn, signal: AbortSignal): Promise<Judgement> {
  const { connection, session, task, dialect, callbacks } = turn;
  const seen: Seen = { has_text: false, thought: false, tool_calls: 0, notice: undefined, usage: undefined };
  const text = asOneText(task);
  const silence = connection.listen(session.id, {
    onUpdate(update) {
      if (!signal.aborted) callbacks.onActivity?.();
      seen.usage = addUsage(seen.usage, usageOf(update._meta));
      if (update.sessionUpdate === 'agent_thought_chunk') seen.thought = true;
      if (update.sessionUpdate === 'tool_call') seen.tool_calls += 1;
      if (update.sessionUpdate !== 'agent_message_chunk' || update.content.type !== 'text') return;
      const chunk = update.content.text;
      if (chunk === '' || signal.aborted) return;
      if (dialect.notice?.test(chunk) === true) return;
      if (dialect.unlabelled_notices === true && typeof update.messageId !== 'string') {
        seen.notice = chunk;
        return;
      }
      seen.has_text ||= chunk.trim() !== '';
      callbacks.onChunk(chunk);
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
    if (turn.model !== undefined) await abortable(switchModel(connection, session, turn.model), signal);
    signal.throwIfAborted();
    const prompt = connection.prompt(session.id, literal(text));
    await Promise.race([prompt.then(nothing, nothing), whenAborted(signal)]);
    if (signal.aborted) {
      await endPrompt(turn, prompt);
      signal.throwIfAborted();
    }
    const response = await prompt;
    const told = readTold(response);
    const usage = told.usage ?? seen.usage;
    const answer: AcpAnswer = {
      has_text: seen.has_text,
      thought: seen.thought,
      tool_calls: seen.tool_calls,
      stop_reason: response.stopReason,
      prompt_chars: text.length,
      ...(seen.notice !== undefined && { notice: seen.notice }),
      ...(dialect.tells_cut === true && { tells_cut: true }),
      ...(told.models !== undefined && { models: told.models }),
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
  { connection, session, cancel_grace_ms = CANCEL_GRACE_MS }: Turn,
  prompt: Promise<unknown>,
): Promise<void> {
  const state = { returned: false };
  const settled = prompt.then(nothing, nothing).then(() => {
    state.returned = true;
  });
  for (let waited = 0; waited < cancel_grace_ms; waited += CANCEL_REPEAT_MS) {
    await connection.cancel(session.id).catch(nothing);
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
