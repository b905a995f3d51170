/**
 * Progress notifications of one call: changes of state at once, a growing answer at most once a second, and a word now
 * and then when nothing happens, since clients that extend their patience do so by them.
 */
import type { ServerContext } from '@modelcontextprotocol/server';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';

export interface Progress {
  /** Something has changed; it is also what is repeated while nothing does. */
  readonly say: (message: string) => void;
  /** So much of the answer is there; `latest` is its newest piece. */
  readonly grown: (characters: number, latest: string) => void;
  readonly close: () => void;
}

const GROWTH_PAUSE_MS = 1_000;
const HEARTBEAT_MS = 10_000;
const LATEST_CHARS = 120;

const silent: Progress = { say: () => undefined, grown: () => undefined, close: () => undefined };

/** Silent when the client did not ask for progress. */
export function createProgress({ mcpReq }: ServerContext, log: Log): Progress {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return silent;
  const began = performance.now();
  let told = 0;
  let message = '';
  let written = '';
  let growth: NodeJS.Timeout | undefined;
  const send = (text: string): void => {
    if (mcpReq.signal.aborted) return;
    told += 1;
    mcpReq
      .notify({
        method: 'notifications/progress',
        params: { progressToken, progress: told, message: text },
      })
      .catch((error: unknown) => {
        // The client has gone: its call ends by its own signal.
        log.debug('mcp_progress_undelivered', errorFields(error));
      });
    heartbeat.refresh();
  };
  const heartbeat = setInterval(() => {
    const seconds = Math.round((performance.now() - began) / 1_000);
    send(`${message === '' ? 'working' : message}, ${seconds} s so far`);
  }, HEARTBEAT_MS);
  return {
    say(text) {
      message = text;
      send(text);
    },
    grown(characters, latest) {
      written = `${characters} characters so far: ${tail(latest)}`;
      growth ??= setTimeout(() => {
        growth = undefined;
        send(written);
      }, GROWTH_PAUSE_MS);
    },
    close() {
      clearInterval(heartbeat);
      clearTimeout(growth);
    },
  };
}

const tail = (text: string): string => {
  const line = text.replace(/\s+/g, ' ');
  return line.length > LATEST_CHARS ? `…${line.slice(-LATEST_CHARS)}` : line;
};
