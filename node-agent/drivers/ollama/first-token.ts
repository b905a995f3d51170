/** How long a task may wait for its first token: the queue of the server, the loading of the model, its reading of the prompt. */
import { CcliError } from '../../../protocol/errors.ts';
import type { OllamaAgentConfig } from '../../agent-config/ollama.ts';

export interface FirstToken {
  /** The task's own signal, or the end of the wait. */
  readonly signal: AbortSignal;
  readonly seen: () => void;
  readonly stop: () => void;
}

type Limits = Pick<OllamaAgentConfig, 'id' | 'model' | 'endpoint' | 'first_token_timeout' | 'idle_timeout'>;

/** Until the first token this limit holds and not that of silence: `alive` is told so. */
export function waitForFirstToken(agent: Limits, alive: () => void, signal: AbortSignal): FirstToken {
  const late = new AbortController();
  let waiting = true;
  const timer = setTimeout(() => {
    // A daemon that was busy or frozen runs its timers before it looks at its sockets: they get a turn first.
    setImmediate(() => {
      if (waiting) late.abort(tooSlow(agent));
    });
  }, agent.first_token_timeout);
  const beat = setInterval(alive, Math.max(1, agent.idle_timeout / 3));
  const stop = (): void => {
    waiting = false;
    clearTimeout(timer);
    clearInterval(beat);
  };
  return { signal: AbortSignal.any([signal, late.signal]), seen: stop, stop };
}

const tooSlow = ({ id, model, endpoint, first_token_timeout }: Limits): CcliError =>
  new CcliError(
    'slow_first_token',
    `"${model}" at ${endpoint} gave no first token within ${first_token_timeout / 1000} s; it may still be loading, or others are being served. Try again, or raise first_token_timeout of agent "${id}".`,
  );
